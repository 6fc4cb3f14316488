//! With our `ar` first on PATH, whoever means the archiver of binutils gets it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run, tools_dir};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A home with a C source and its object file.
fn home() -> Home {
    let home = Home::new();
    home.write("work/x.c", "int seven(void) { return 7; }\n");
    home.sh("cc -c x.c").check();
    home
}

#[test]
fn operations_options_and_response_files_are_the_archivers() {
    let home = home();
    home.sh("ar rcs lib.a x.o && ar t lib.a && ar -t lib.a && ar p lib.a x.o | cmp - x.o")
        .stdout("x.o\nx.o\n")
        .check();
    home.write("work/args", "t lib.a\n");
    home.sh("ar @args").stdout("x.o\n").check();
    for probe in ["--version", "-V"] {
        let output = home.ar(&[probe]).any_stdout().check();
        assert!(output.stdout.starts_with(b"GNU ar"), "{probe}");
    }
    home.ar(&["t", "missing.a"]).status(9).stderr("[..]ar: missing.a: No such file or directory\n").check();
}

#[test]
fn the_rule_of_make_for_archive_members_works() {
    let home = home();
    home.write("work/Makefile", "lib.a: lib.a(x.o)\n");
    home.sh("rm x.o; make -s >/dev/null && ar t lib.a").any_stderr().stdout("x.o\n").check();
}

#[test]
fn copies_of_our_own_are_passed_over() {
    let home = home();
    let ours = tools_dir().join("ar");
    fs::copy(&ours, home.path("bin/ar")).unwrap();
    fs::create_dir(home.path("links")).unwrap();
    std::os::unix::fs::symlink(&ours, home.path("links/ar")).unwrap();
    let path = format!(
        "{}:{}:{}:{}:/usr/bin:/bin",
        home.path("links").display(),
        home.path("bin").display(),
        tools_dir().display(),
        home.path("links").display()
    );
    for first in ["links/ar", "bin/ar"] {
        home.program(&home.path(first), &["rcs", "lib.a", "x.o"]).env("PATH", &path).check();
        home.program(&home.path(first), &["t", "lib.a"]).env("PATH", &path).stdout("x.o\n").check();
    }
    // Copies alone: they must find that there is nobody left.
    let copies = format!("{}:{}", home.path("links").display(), home.path("bin").display());
    home.program(&home.path("links/ar"), &["t", "lib.a"]).env("PATH", copies).status(2).any_stderr().check();
}

#[test]
fn without_binutils_the_message_says_so() {
    let home = home();
    let output = home.ar(&["t", "lib.a"]).env("PATH", tools_dir()).status(2).any_stderr().check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("ar: ") && said.contains("binutils"), "{said}");
}

#[test]
fn a_crate_with_bundled_c_builds() {
    let home = home();
    home.write(
        "work/Cargo.toml",
        "[package]\nname = \"bundled\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[build-dependencies]\ncc = \"1\"\n\n[workspace]\n",
    );
    home.write("work/build.rs", "fn main() { cc::Build::new().file(\"x.c\").compile(\"x\"); }\n");
    home.write(
        "work/src/main.rs",
        "unsafe extern \"C\" { fn seven() -> i32; }\nfn main() { println!(\"{}\", unsafe { seven() }); }\n",
    );
    // Cargo's own tools and its cache of crates: the test must do without a network.
    cargo(&home, &["run", "--quiet", "--offline"]).stdout("7\n").check();
}

fn cargo(home: &Home, args: &[&str]) -> Run {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap());
    let toolchain = cargo.parent().unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", tools_dir().display(), toolchain.display());
    let cache = env::var_os("CARGO_HOME")
        .map_or_else(|| Path::new(&env::var_os("HOME").unwrap()).join(".cargo"), PathBuf::from);
    home.program(&cargo, args).env("PATH", path).env("CARGO_HOME", cache)
}
