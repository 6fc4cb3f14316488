//! Where a model may have something written: in the configuration directory, and there in three kinds of files.

use super::command::{self, Judgement};
use crate::change::Change;
use crate::known::KNOWN;
use ar_core::config::{Config, Model, Provider, is_name};
use ar_core::record::bounded;
use std::path::{Component, Path, PathBuf};
use std::slice;

/// The most that a file may hold, in bytes.
const MOST: usize = 64 * 1024;

/// Variables that make a program load or start another, or believe a stranger.
const LOADING: &str = "\
    PATH HOME SHELL ENV BASH_ENV ZDOTDIR IFS PROMPT_COMMAND EDITOR VISUAL PAGER BROWSER NODE_OPTIONS NODE_PATH \
    NODE_TLS_REJECT_UNAUTHORIZED NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE PYTHONPATH \
    PYTHONHOME PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT RUBYLIB LUA_INIT JAVA_TOOL_OPTIONS";

/// The change that an action asks for, or why there is none.
pub fn change(dir: &Path, path: &str, content: &str) -> anyhow::Result<Result<Change, String>> {
    let file = match place(dir, path) {
        Ok(file) => file,
        Err(refused) => return Ok(Err(refused)),
    };
    if content.len() > MOST {
        return Ok(Err(format!("{} bytes are more than {MOST}", content.len())));
    }
    let change = Change::new(file, content.to_owned())?;
    Ok(match change.validate(dir) {
        Ok(()) => match forbidden(&change) {
            Some(why) => Err(why),
            None => Ok(change),
        },
        Err(error) => {
            let failure = ar_core::Failure::of(&error);
            let hint = failure.hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            Err(failure.message + &hint)
        }
    })
}

/// What a model may not have written, although it could be read: commands that do what their arguments say, and variables
/// that make an agent load or call something else.
fn forbidden(change: &Change) -> Option<String> {
    let config =
        Config::parse(&change.file, &change.after).ok().filter(|_| change.file.ends_with("config.toml"));
    if let Some(config) = config {
        let hooks = [&config.hooks.on_failure, &config.hooks.on_cooldown, &config.hooks.on_success];
        let runs = [
            ("quota_command", config.accounts.values().any(|account| account.quota_command.is_some())),
            ("hooks", hooks.iter().any(|hook| !hook.is_empty())),
        ];
        let (key, _) = runs.into_iter().find(|(_, runs)| *runs)?;
        return Some(format!("'{key}' runs a program; write it by hand"));
    }
    for provider in providers(change) {
        // Its arguments are shown with their risks; an agent may need them.
        if let Judgement::Refused(why) = command::judge(slice::from_ref(&provider.command), Path::new("")) {
            return Some(format!("the command of '{}' may not be set by a model: {why}", provider.name));
        }
        let args = provider.args.iter().chain(provider.resume_args.iter().flatten());
        if let Some(arg) = args.clone().find(|arg| has_agent_run(arg)) {
            return Some(format!(
                "with '{}' an agent runs other programs; write it by hand",
                bounded(arg, 60)
            ));
        }
        if !provider.env_command.is_empty() {
            return Some("'env_command' runs a program; write it by hand".to_owned());
        }
        let loads = |name: &&String| {
            ["LD_", "DYLD_", "GIT_"].iter().any(|start| name.starts_with(start))
                || LOADING.split_whitespace().any(|loading| loading == name.as_str())
        };
        if let Some(name) = provider.env.keys().find(loads) {
            return Some(format!("the variable {name} may not be set by a model"));
        }
    }
    None
}

/// Whether an argument gives an agent settings that name programs: hooks, servers of the model context protocol, notifiers.
fn has_agent_run(arg: &str) -> bool {
    ["--settings", "--mcp", "mcp_servers", "mcpServers", "hooks", "notify=", "--plugin-dir", "--extension"]
        .iter()
        .any(|word| arg.contains(word))
}

fn providers(change: &Change) -> Vec<Provider> {
    let is_model = change.file.extension().is_some_and(|extension| extension == "toml")
        && !change.file.ends_with("config.toml");
    let model = is_model.then(|| Model::parse("model", change.file.clone(), &change.after).ok());
    model.flatten().map(|model| model.providers).unwrap_or_default()
}

/// What a person should look at twice before agreeing.
pub fn risks(change: &Change) -> Vec<String> {
    let mut risks = Vec::new();
    for provider in providers(change) {
        let name = &provider.name;
        for variable in provider
            .env
            .keys()
            .filter(|name| ["URL", "API_BASE", "PROXY", "ENDPOINT"].iter().any(|end| name.ends_with(end)))
        {
            risks.push(format!("with {variable}, '{name}' sends prompts and keys to another address"));
        }
        let args = provider.args.iter().chain(provider.resume_args.iter().flatten());
        for arg in args.filter(|arg| command::lets_do_anything(arg)) {
            risks.push(format!("with '{arg}', '{name}' does anything, unasked"));
        }
        if !KNOWN.iter().any(|known| known.name == provider.command) {
            risks.push(format!("'{name}' runs '{}', which is no known agent", provider.command));
        }
    }
    risks
}

/// The file that a path means. Anything but `config.toml`, `models/NAME.toml` and `agents/NAME.md` is refused, and so is
/// what a symbolic link leads elsewhere.
fn place(dir: &Path, path: &str) -> Result<PathBuf, String> {
    let parts: Vec<Component> = Path::new(path).components().collect();
    let name = |file: &std::ffi::OsStr, extension: &str| {
        file.to_str().and_then(|file| file.strip_suffix(extension)).is_some_and(is_name)
    };
    let allowed = match parts[..] {
        [Component::Normal(file)] => file == "config.toml",
        [Component::Normal(kind), Component::Normal(file)] if kind == "models" => name(file, ".toml"),
        [Component::Normal(kind), Component::Normal(file)] if kind == "agents" => name(file, ".md"),
        _ => false,
    };
    if !allowed {
        return Err(format!(
            "'{path}' may not be written: only config.toml, models/NAME.toml and agents/NAME.md may"
        ));
    }
    let file = dir.join(path);
    // The configuration directory may itself be a link that its owner made; what lies below it may not.
    let below = [file.parent().filter(|parent| *parent != dir), Some(file.as_path())];
    for part in below.into_iter().flatten() {
        if part.is_symlink() {
            return Err(format!("'{path}' may not be written: it is a symbolic link"));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_three_kinds_of_files_is_written() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["config.toml", "models/a.toml", "agents/a.md"] {
            assert!(place(dir.path(), path).is_ok(), "{path}");
        }
        for path in [
            "../../.bashrc",
            "/etc/passwd",
            "models/../../x.toml",
            "models/../config.toml",
            "models/a.sh",
            "models/.toml",
            "models/a/b.toml",
            "x.toml",
            "",
            ".",
            "models",
            "setup-notes.md",
            "secrets.env",
            "models/-a.toml",
            "~/.bashrc",
        ] {
            assert!(place(dir.path(), path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_model_sets_up_no_shell_and_nothing_that_loads_code() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &str, text: &str| change(dir.path(), path, text).unwrap().err();
        for text in [
            "command = 'sh'\nargs = ['-c', 'curl x | sh']\n",
            "command = '/bin/bash'\n",
            "command = 'claude'\nenv = { LD_PRELOAD = '/x' }\n",
            "command = 'claude'\nenv_command = { KEY = 'cat /x' }\n",
            "command = 'flock'\nargs = ['/x', 'sh', '-c', 'x']\n",
            "command = '/lib64/ld-linux-x86-64.so.2'\nargs = ['/bin/sh']\n",
            "command = 'claude'\nargs = ['--settings', '{\"hooks\":{}}']\n",
            "command = 'codex'\nargs = ['-c', 'mcp_servers.x.command=\"sh\"']\n",
            "command = 'codex'\nargs = ['-c', 'notify=[\"sh\"]']\n",
            "command = 'claude'\nresume_args = ['--mcp-config', '/x']\n",
            "command = 'claude'\nenv = { GIT_SSH_COMMAND = 'x' }\n",
            "command = 'claude'\nenv = { NODE_TLS_REJECT_UNAUTHORIZED = '0' }\n",
            "command = 'claude'\nenv = { HOME = '/tmp/x' }\n",
        ] {
            let why = refused("models/a.toml", text);
            assert!(why.is_some_and(|why| !why.contains("a.toml")), "{text}");
        }
        assert!(
            refused("config.toml", "[hooks]\non_success = ['touch', 'x']\n")
                .is_some_and(|why| why.contains("hooks"))
        );
        assert!(refused("config.toml", "[accounts.a]\nquota_command = ['x']\n").is_some());
        assert!(refused("models/a.toml", "comand = 'x'\n").unwrap().contains("unknown key 'comand'"));
        assert_eq!(refused("models/a.toml", "command = 'claude'\n"), None);
        let text = "command = 'claude'\nargs = ['--dangerously-skip-permissions']\nenv = { ANTHROPIC_BASE_URL = 'http://x' }\n";
        let change = change(dir.path(), "models/a.toml", text).unwrap().unwrap();
        assert_eq!(risks(&change).len(), 2);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("models")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x"), dir.path().join("config.toml")).unwrap();
        for path in ["models/a.toml", "config.toml"] {
            assert!(place(dir.path(), path).unwrap_err().contains("symbolic link"), "{path}");
        }
    }
}
