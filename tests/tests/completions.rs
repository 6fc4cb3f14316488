//! The completions in the shells themselves.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, skip, tools_dir};
use std::env;
use std::path::Path;

/// A home with two models, three providers, an agent, and the completions of all shells. None where the shell is missing:
/// `.ci/run` sets the variable that makes that an error.
fn home(shell: &str) -> Option<Home> {
    if !Path::new("/usr/bin").join(shell).exists() && !Path::new("/bin").join(shell).exists() {
        assert!(env::var_os("AGENT_RUNNER_TEST_SHELLS").is_none(), "{shell} is not installed");
        skip(&format!("{shell} is not installed"));
        return None;
    }
    let home = Home::new();
    home.pool("smart", &["codex", "claude"]);
    home.pool("small", &["llm"]);
    home.agent("reviewer", "Review.\n");
    home.program(&tools_dir().join("ar-completions"), &[home.path("completions")]).check();
    Some(home)
}

/// What is typed, and what the shell must offer.
const CASES: [(&str, &[&str]); 8] = [
    ("ar pi", &["pick"]),
    ("ar log pa", &["path"]),
    ("ar run -m sm", &["small", "smart"]),
    ("ar run --model smar", &["smart"]),
    ("ar run --provider c", &["claude", "codex"]),
    ("ar run -a rev", &["reviewer"]),
    ("ar-pick --exclude l", &["llm"]),
    ("ar-pick --expl", &["--explain"]),
];

#[test]
fn bash_completes_options_and_names() {
    let Some(home) = home("bash") else { return };
    for (typed, offered) in CASES {
        let script = format!(
            "for file in \"$HOME\"/completions/bash/*; do . \"$file\"; done\n\
             COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             COMP_LINE='{typed}'; COMP_POINT=${{#COMP_LINE}}\n\
             function=$(complete -p \"${{COMP_WORDS[0]}}\" | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
             \"$function\" \"${{COMP_WORDS[0]}}\" \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\" | sort"
        );
        home.program("bash".as_ref(), &["--norc", "-c", &script]).stdout(lines(offered)).check();
    }
}

#[test]
fn fish_completes_options_and_names() {
    let Some(home) = home("fish") else { return };
    for (typed, offered) in CASES {
        let script = format!(
            "for file in $HOME/completions/fish/*; source $file; end\n\
             complete -C '{typed}' | string split -f 1 \\t | sort"
        );
        home.program("fish".as_ref(), &["--no-config", "-c", &script]).stdout(lines(offered)).check();
    }
}

#[test]
fn zsh_completes_options_and_names() {
    let Some(home) = home("zsh") else { return };
    // zsh completes only on a terminal, so one is made, and the list is read from what a widget captured.
    home.write(
        ".zshrc",
        "fpath=($HOME/completions/zsh $fpath)\nautoload -U compinit && compinit -u -d $HOME/.zcompdump\nPROMPT=\nunsetopt prompt_cr\n\
         compadd() { local -a found; builtin compadd -O found \"$@\"; print -l -- $found >>$HOME/offered; builtin compadd \"$@\" }\n",
    );
    for (typed, offered) in CASES {
        home.write("offered", "");
        let script = format!(
            "zmodload zsh/zpty\nzpty shell zsh -i\nzpty -w shell 'touch $HOME/ready'\n\
             while [[ ! -e $HOME/ready ]]; do sleep 0.02; done\nrm $HOME/ready\n\
             zpty -w -n shell $'{typed}\\t'\n\
             for i in {{1..500}}; do [[ -s $HOME/offered ]] && break; sleep 0.02; done\nsleep 0.1\n\
             sort -u $HOME/offered | grep ."
        );
        home.program("zsh".as_ref(), &["-f", "-c", &script]).any_stderr().stdout(lines(offered)).check();
    }
}

fn lines(words: &[&str]) -> String {
    words.join("\n") + "\n"
}
