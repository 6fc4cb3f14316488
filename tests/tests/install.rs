//! `make install` and `make uninstall`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, TOOLS, source_dir, tools_dir};
use std::fs;
use std::path::Path;

fn files(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
fn all_is_installed_below_the_prefix_and_removed_again() {
    let home = Home::new();
    // The test does not build: it installs the programs that are there.
    let make = |target: &str| {
        let args = [
            "-s".to_owned(),
            target.to_owned(),
            "CARGO=:".to_owned(),
            format!("release={}", tools_dir().display()),
            format!("completions={}", home.path("completions").display()),
            format!("DESTDIR={}", home.path("root").display()),
            "PREFIX=/opt/ar".to_owned(),
        ];
        home.program("/usr/bin/make".as_ref(), &args).cwd(source_dir()).any_stderr()
    };
    make("install").check();
    let prefix = home.path("root/opt/ar");
    for tool in TOOLS {
        assert!(prefix.join("bin").join(tool).exists(), "{tool}");
        assert!(prefix.join("share/man/man1").join(format!("{tool}.1")).exists(), "{tool}");
        assert!(prefix.join("share/bash-completion/completions").join(tool).exists(), "{tool}");
        assert!(prefix.join("share/zsh/site-functions").join(format!("_{tool}")).exists(), "{tool}");
        assert!(
            prefix.join("share/fish/vendor_completions.d").join(format!("{tool}.fish")).exists(),
            "{tool}"
        );
    }
    for page in ["man5/ar-record.5", "man5/ar-config.5", "man7/ar.7", "man1/ar-run.1"] {
        assert!(prefix.join("share/man").join(page).exists(), "{page}");
    }
    home.command("good", "echo ok");
    home.pool("pool", &["good"]);
    home.program(&prefix.join("bin/ar"), &["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    make("uninstall").check();
    assert_eq!(files(&home.path("root")), 0);
}
