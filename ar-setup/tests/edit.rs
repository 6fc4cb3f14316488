//! ar-setup changing the configuration: add-provider, remove-provider, rename and set.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Run};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const MODEL: &str = "\
# My pool.
description = \"two of them\" # mine

[[providers]] # the first
command = \"codex\" # on PATH
args = [
  \"exec\", # headless
]
# end of the first

# The second.
[[providers]]
name = \"codex2\"
command = \"codex\"
env = { CODEX_HOME = \"/x\" }
# the end
";

fn setup(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-setup")), args)
}

fn changed(home: &Home, args: &[&str], file: &str) -> String {
    setup(home, args).stdout(format!("changed [HOME]/.config/agent-runner/{file}\n")).check();
    setup(home, &["check"]).any_stdout().check();
    fs::read_to_string(home.path(".config/agent-runner").join(file)).unwrap()
}

#[test]
fn a_provider_is_added_at_the_end_and_nothing_else_changes() {
    let home = Home::new();
    home.model("m", MODEL);
    let args = [
        "add-provider",
        "m",
        "--command",
        "my-agent",
        "--tier",
        "2",
        "--env",
        "A=b c",
        "--",
        "-x",
        "{prompt}",
    ];
    let dry: Vec<&str> = args[..2].iter().copied().chain(["-n"]).chain(args[2..].iter().copied()).collect();
    setup(&home, &dry)
        .stdout(
            "--- [HOME]/.config/agent-runner/models/m.toml\n+++ [HOME]/.config/agent-runner/models/m.toml\n\
             @@ -14,3 +14,9 @@\n command = \"codex\"\n env = { CODEX_HOME = \"/x\" }\n # the end\n+\n+[[providers]]\n\
             +command = \"my-agent\"\n+args = [\"-x\", \"{prompt}\"]\n+tier = 2\n+env = { A = \"b c\" }\n",
        )
        .check();
    assert_eq!(fs::read_to_string(home.path(".config/agent-runner/models/m.toml")).unwrap(), MODEL);
    let text = changed(&home, &args, "models/m.toml");
    let new = "\n[[providers]]\ncommand = \"my-agent\"\nargs = [\"-x\", \"{prompt}\"]\ntier = 2\nenv = { A = \"b c\" }\n";
    assert_eq!(text, format!("{MODEL}{new}"));
    let kept: Vec<_> = fs::read_dir(home.path(".config/agent-runner/previous/models")).unwrap().collect();
    let [Ok(kept)] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(fs::read_to_string(kept.path()).unwrap(), MODEL);
}

#[test]
fn a_known_agent_brings_its_template_with_it() {
    let home = Home::new();
    home.model("m", "# Mine.\ncommand = \"codex\" # on PATH\nargs = [\"exec\", \"-\"]\n");
    let work = "CLAUDE_CONFIG_DIR=/home/me/.claude-work";
    let args = ["add-provider", "m", "--command", "claude", "--name", "work", "--env", work];
    let text = changed(&home, &args, "models/m.toml");
    let start = "[[providers]]\n# Mine.\ncommand = \"codex\" # on PATH\nargs = [\"exec\", \"-\"]\n\n[[providers]]\n\
                 command = \"claude\"\n";
    assert!(text.starts_with(start), "{text}");
    for part in
        ["output = \"claude-", "\"-p\"", "CLAUDE_CONFIG_DIR = \"/home/me/.claude-work\"", "name = \"work\"\n"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    setup(&home, &["add-provider", "new", "--create", "--command", "claude9", "--like", "claude"])
        .stdout("wrote [HOME]/.config/agent-runner/models/new.toml\n")
        .check();
    setup(&home, &["names", "providers"]).stdout("claude9\ncodex\nwork\n").check();
}

#[test]
fn a_provider_is_removed_with_its_own_comment_alone() {
    let home = Home::new();
    home.model("m", MODEL);
    let text = changed(&home, &["remove-provider", "m", "codex2"], "models/m.toml");
    let (rest, _) = MODEL.split_once("# The second.").unwrap();
    assert_eq!(text, format!("{}# the end\n", rest.trim_end_matches('\n').to_owned() + "\n"));
    setup(&home, &["remove-provider", "m", "codex"])
        .status(2)
        .stderr(
            "ar-setup: 'codex' is the only provider of 'm'\n\
             hint: delete '[HOME]/.config/agent-runner/models/m.toml' to give up the model\n",
        )
        .check();
    setup(&home, &["remove-provider", "m", "codx"])
        .status(2)
        .stderr("ar-setup: model 'm' has no provider 'codx'\nhint: did you mean 'codex'?\n")
        .check();
}

#[test]
fn rename_keeps_the_account_of_a_provider_and_the_default_model() {
    let home = Home::new();
    home.model("m", MODEL);
    home.write(".config/agent-runner/config.toml", "model = \"m\" # the pool\n");
    let text = changed(&home, &["rename", "m/codex2", "work"], "models/m.toml");
    assert_eq!(
        text,
        MODEL.replace("name = \"codex2\"", "name = \"work\"").replace(
            "env = { CODEX_HOME = \"/x\" }\n",
            "env = { CODEX_HOME = \"/x\" }\naccount = \"codex2\"\n"
        )
    );
    setup(&home, &["rename", "m", "pool"])
        .stdout(
            "renamed [HOME]/.config/agent-runner/models/m.toml to [HOME]/.config/agent-runner/models/pool.toml\n\
             changed [HOME]/.config/agent-runner/config.toml\n",
        )
        .check();
    let config = fs::read_to_string(home.path(".config/agent-runner/config.toml")).unwrap();
    assert_eq!(config, "model = \"pool\" # the pool\n");
    setup(&home, &["rename", "pool", "../x"])
        .status(2)
        .stderr("ar-setup: '../x' cannot be a name\nhint: use letters, digits and . _ + @ -\n")
        .check();
}

#[test]
fn set_changes_one_value_and_refuses_what_could_not_be_read() {
    let home = Home::new();
    home.model("m", MODEL);
    home.model("m.1", "command = \"a\"\n");
    for (key, value, old, new) in [
        ("m/codex.command", "/opt/codex", "command = \"codex\" # on", "command = \"/opt/codex\" # on"),
        ("m/codex2.env.CODEX_HOME", "/y", "CODEX_HOME = \"/x\"", "CODEX_HOME = \"/y\""),
        ("m/codex2.name", "5", "name = \"codex2\"", "name = \"5\""),
        ("m.description", "three", "\"two of them\" # mine", "\"three\" # mine"),
        ("m/codex2.args", "['a', '-b']", "\"/x\" }\n", "\"/x\" }\nargs = ['a', '-b']\n"),
        ("m.timeout", "5m", "# mine\n", "# mine\ntimeout = \"5m\"\n"),
    ] {
        home.model("m", MODEL);
        let text = changed(&home, &["set", key, value], "models/m.toml");
        assert_eq!(text, MODEL.replacen(old, new, 1), "{key}");
    }
    assert_eq!(changed(&home, &["set", "m.1.tier", "3"], "models/m.1.toml"), "command = \"a\"\ntier = 3\n");
    assert_eq!(changed(&home, &["set", "--unset", "m.1.tier"], "models/m.1.toml"), "command = \"a\"\n");
    setup(&home, &["set", "m.1.tier", "1"])
        .stdout("changed [HOME]/.config/agent-runner/models/m.1.toml\n")
        .check();
    setup(&home, &["set", "m.1.tier", "1"]).stdout("nothing to change\n").check();
    setup(&home, &["set", "model", "m"]).stdout("wrote [HOME]/.config/agent-runner/config.toml\n").check();
    for (key, value, message) in [
        (
            "modle",
            "m",
            "nothing is changed: with it, [HOME]/.config/agent-runner/config.toml:2: unknown key 'modle'\nhint: did you mean 'model'?",
        ),
        (
            "model",
            "n",
            "nothing is changed: with it, [HOME]/.config/agent-runner/config.toml:1: there is no model 'n'\nhint: there are m, m.1",
        ),
        (
            "m.1.weight",
            "0",
            "nothing is changed: with it, [HOME]/.config/agent-runner/models/m.1.toml:3: 'weight' must be at least 1",
        ),
        ("m/codx.tier", "0", "'m/codx.tier' names no key of a provider of 'm'\nhint: did you mean 'codex'?"),
    ] {
        setup(&home, &["set", key, value]).status(2).stderr(format!("ar-setup: {message}\n")).check();
    }
}

#[test]
fn line_ends_of_other_systems_stay() {
    let home = Home::new();
    let text = "# Mine.\r\n[[providers]]\r\ncommand = \"a\" # yes\r\ntier = 1\r\n";
    home.model("m", text);
    let text = changed(&home, &["set", "m/a.tier", "2"], "models/m.toml");
    assert_eq!(text, "# Mine.\r\n[[providers]]\r\ncommand = \"a\" # yes\r\ntier = 2\r\n");
}

#[test]
fn changes_at_the_same_time_all_happen() {
    let home = Home::new();
    home.model("m", MODEL);
    let names: Vec<String> = (0..16).map(|n| format!("p{n}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let args = ["add-provider", "m", "--command", name];
            setup(&home, &args).spawn(|command| {
                command.stdout(std::process::Stdio::null());
            })
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let output = setup(&home, &["names", "providers"]).any_stdout().check();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 18);
}

#[test]
fn what_is_said_of_the_model_stays_at_the_top() {
    let home = Home::new();
    home.model("other", "command = 'cat'\n");
    let top = "description = 'a'\nstrategy = 'ordered'\nfallback = ['other']\nhop = 'never'\n";
    home.model("m", &format!("{top}command = 'codex'\nargs = ['exec']\n"));
    let text = changed(&home, &["add-provider", "m", "--command", "my-agent"], "models/m.toml");
    assert_eq!(
        text,
        format!(
            "{top}\n[[providers]]\ncommand = 'codex'\nargs = ['exec']\n\n[[providers]]\ncommand = \"my-agent\"\n"
        )
    );
}

#[test]
fn a_model_that_is_made_needs_a_name() {
    let home = Home::new();
    setup(&home, &["add-provider", "../x", "--command", "w", "--create"])
        .status(2)
        .stderr("ar-setup: '../x' cannot be a name\nhint: use letters, digits and . _ + @ -\n")
        .check();
}

#[test]
fn a_change_that_is_killed_leaves_the_old_text_or_the_new() {
    let home = Home::new();
    let file = home.model("m", MODEL);
    let texts: Vec<String> =
        (0..2).map(|n| MODEL.replace("mine", &format!("mine\ntimeout = \"{n}m\""))).collect();
    fs::write(&file, &texts[0]).unwrap();
    for step in 0..60 {
        let value = format!("{}m", step % 2);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ar-setup"));
        command
            .args(["set", "m.timeout", &value])
            .env_clear()
            .env("HOME", home.path(""))
            .stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        sleep(Duration::from_micros(150 * step));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(texts.contains(&fs::read_to_string(&file).unwrap()), "killed after {step}");
    }
    let models = home.path(".config/agent-runner/models");
    fs::write(models.join(".ar-setup-dead"), "half").unwrap();
    fs::write(models.join(".mine"), "").unwrap();
    setup(&home, &["set", "m.timeout", "9m"]).any_stdout().check();
    for dir in [models.as_path(), &home.path(".config/agent-runner/previous/models")] {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = names.filter(|name| name.starts_with('.') && name != ".mine").collect();
        assert!(left.is_empty(), "{left:?}");
    }
    assert!(models.join(".mine").exists(), "what is not ours stays");
}

#[test]
fn comments_at_the_head_of_a_file_stay_there() {
    let home = Home::new();
    for (before, args, after) in [
        (
            "# About.\n\n# The text.\ndescription = 'x'\n\n[[providers]]\ncommand = 'cat'\n",
            &["--unset", "m.description"][..],
            "# About.\n\n[[providers]]\ncommand = 'cat'\n",
        ),
        (
            "# About.\n# More.\n\n[[providers]]\ncommand = 'cat'\n",
            &["m.description", "x"],
            "# About.\n# More.\n\ndescription = \"x\"\n\n[[providers]]\ncommand = 'cat'\n",
        ),
        (
            "# About.\r\n\r\n[[providers]]\r\ncommand = 'cat'\r\n",
            &["m.description", "x"],
            "# About.\r\n\r\ndescription = \"x\"\r\n\r\n[[providers]]\r\ncommand = 'cat'\r\n",
        ),
        ("# About.\n\ncommand = 'cat'\n", &["m.tier", "2"], "# About.\n\ncommand = 'cat'\ntier = 2\n"),
    ] {
        let file = home.model("m", before);
        let args = [&["set"], args].concat();
        setup(&home, &args).any_stdout().check();
        assert_eq!(fs::read_to_string(file).unwrap(), after);
    }
}
