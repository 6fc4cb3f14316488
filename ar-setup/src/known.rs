//! The agents that we know: how each is called, the file that a model of it starts from, and where its login is kept.

/// An agent program for which there is a template.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The command, which is also the name of its model and of its provider.
    pub name: &'static str,
    /// The text of its starter file in models/.
    pub template: &'static str,
    /// The command that installs it.
    pub install: &'static str,
    /// The oldest version that has what the template asks for.
    pub oldest: &'static str,
    /// The command by which its user logs in.
    pub login: &'static str,
    /// The arguments that print the options that the template uses.
    pub help: &'static [&'static str],
    /// Words of the template, an option first, that a model does without where the installed version does not know it.
    pub optional: &'static [&'static [&'static str]],
    /// The arguments that tell by exit status whether somebody is logged in, where there are such.
    pub status: Option<&'static [&'static str]>,
    /// The arguments that list the models it offers without asking the network, where there are such.
    pub models: Option<&'static [&'static str]>,
    /// The variables any of which replaces a login.
    pub keys: &'static [&'static str],
    /// The file that a login leaves behind, where there is one.
    pub credential: Option<Credential>,
}

/// Where a program keeps its login.
#[derive(Debug, Clone, Copy)]
pub struct Credential {
    /// The variable that moves the directory.
    pub variable: &'static str,
    /// The directory below the home directory where the variable is not set.
    pub default: &'static str,
    /// The file below that directory.
    pub file: &'static str,
    /// Where in its JSON the time stands at which the login ends, in milliseconds since 1970.
    pub expires: Option<&'static str>,
    /// Where in its JSON the token stands with which the program extends the login by itself.
    pub refresh: Option<&'static str>,
    /// A file below the directory, and the place in its JSON that names the account.
    pub account: Option<(&'static str, &'static str)>,
}

/// Every agent that we know, in the order in which people are told of them.
pub const KNOWN: &[Known] = &[CLAUDE, CODEX, GEMINI, OPENCODE, QWEN, COPILOT, AIDER, LLM];

/// The agent of that name.
pub fn by_name(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

const CLAUDE: Known = Known {
    name: "claude",
    template: include_str!("../templates/claude.toml"),
    install: "npm install -g @anthropic-ai/claude-code",
    oldest: "2.0.0",
    login: "claude auth login",
    help: &["--help"],
    optional: &[],
    status: Some(&["auth", "status"]),
    models: None,
    keys: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
    credential: Some(Credential {
        variable: "CLAUDE_CONFIG_DIR",
        default: ".claude",
        file: ".credentials.json",
        expires: Some("/claudeAiOauth/expiresAt"),
        refresh: Some("/claudeAiOauth/refreshToken"),
        account: Some((".claude.json", "/oauthAccount/emailAddress")),
    }),
};

const CODEX: Known = Known {
    name: "codex",
    template: include_str!("../templates/codex.toml"),
    install: "npm install -g @openai/codex",
    oldest: "0.50.0",
    login: "codex login",
    help: &["exec", "--help"],
    optional: &[],
    status: Some(&["login", "status"]),
    models: None,
    keys: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    credential: Some(Credential {
        variable: "CODEX_HOME",
        default: ".codex",
        file: "auth.json",
        expires: None,
        refresh: None,
        account: None,
    }),
};

const GEMINI: Known = Known {
    name: "gemini",
    template: include_str!("../templates/gemini.toml"),
    install: "npm install -g @google/gemini-cli",
    oldest: "0.20.0",
    login: "gemini",
    help: &["--help"],
    optional: &[&["--skip-trust"]],
    status: None,
    models: None,
    keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    credential: Some(Credential {
        variable: "GEMINI_CLI_HOME",
        default: "",
        file: ".gemini/oauth_creds.json",
        expires: Some("/expiry_date"),
        refresh: Some("/refresh_token"),
        account: Some((".gemini/google_accounts.json", "/active")),
    }),
};

const OPENCODE: Known = Known {
    name: "opencode",
    template: include_str!("../templates/opencode.toml"),
    install: "npm install -g opencode-ai",
    oldest: "1.0.0",
    login: "opencode auth login",
    help: &["run", "--help"],
    optional: &[],
    status: None,
    models: Some(&["models"]),
    keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"],
    credential: Some(Credential {
        variable: "XDG_DATA_HOME",
        default: ".local/share",
        file: "opencode/auth.json",
        expires: None,
        refresh: None,
        account: None,
    }),
};

const QWEN: Known = Known {
    name: "qwen",
    template: include_str!("../templates/qwen.toml"),
    install: "npm install -g @qwen-code/qwen-code",
    oldest: "0.24.0",
    login: "qwen",
    help: &["--help"],
    optional: &[],
    status: None,
    models: None,
    keys: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
    credential: Some(Credential {
        variable: "QWEN_HOME",
        default: ".qwen",
        file: "oauth_creds.json",
        expires: Some("/expiry_date"),
        refresh: Some("/refresh_token"),
        account: None,
    }),
};

const COPILOT: Known = Known {
    name: "copilot",
    template: include_str!("../templates/copilot.toml"),
    install: "npm install -g @github/copilot",
    oldest: "0.0.350",
    login: "copilot login",
    help: &["--help"],
    optional: &[
        &["--usage-output-file", "{usage_file}"],
        &["--no-auto-update"],
        &["--no-ask-user"],
        &["--disable-client-telemetry"],
    ],
    status: None,
    models: None,
    keys: &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
    credential: None,
};

const AIDER: Known = Known {
    name: "aider",
    template: include_str!("../templates/aider.toml"),
    install: "pipx install aider-chat",
    oldest: "0.80.0",
    login: "aider",
    help: &["--help"],
    optional: &[&["--no-show-release-notes"]],
    status: None,
    // Its '--list-models' wants a pattern, asks the network for a newer release, and takes longer than a probe may.
    models: None,
    keys: &[
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "OPENROUTER_API_KEY",
        "DEEPSEEK_API_KEY",
    ],
    credential: None,
};

const LLM: Known = Known {
    name: "llm",
    template: include_str!("../templates/llm.toml"),
    install: "pipx install llm",
    oldest: "0.30",
    login: "llm keys set openai",
    help: &["prompt", "--help"],
    optional: &[],
    status: None,
    models: Some(&["models"]),
    keys: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"],
    credential: Some(Credential {
        variable: "LLM_USER_PATH",
        default: ar_core::watch::LLM,
        file: "keys.json",
        expires: None,
        refresh: None,
        account: None,
    }),
};

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::config::Model;

    #[test]
    fn every_template_is_a_model_of_one_provider_called_like_its_command() {
        for known in KNOWN {
            let model = Model::parse(known.name, "template.toml".into(), known.template).unwrap();
            let [provider] = &model.providers[..] else { panic!("{model:?}") };
            assert_eq!((provider.name.as_str(), provider.command.as_str()), (known.name, known.name));
        }
    }
}
