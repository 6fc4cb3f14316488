//! The agents that we know: how each is called, and the file that a model of it starts from.

/// An agent program for which there is a template.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The command, which is also the name of its model and of its provider.
    pub name: &'static str,
    /// The text of its starter file in models/.
    pub template: &'static str,
    /// The command that installs it.
    pub install: &'static str,
}

/// Every agent that we know, in the order in which people are told of them.
pub const KNOWN: &[Known] = &[
    Known {
        name: "claude",
        template: include_str!("../templates/claude.toml"),
        install: "npm install -g @anthropic-ai/claude-code",
    },
    Known {
        name: "codex",
        template: include_str!("../templates/codex.toml"),
        install: "npm install -g @openai/codex",
    },
    Known {
        name: "gemini",
        template: include_str!("../templates/gemini.toml"),
        install: "npm install -g @google/gemini-cli",
    },
    Known {
        name: "opencode",
        template: include_str!("../templates/opencode.toml"),
        install: "npm install -g opencode-ai",
    },
    Known {
        name: "qwen",
        template: include_str!("../templates/qwen.toml"),
        install: "npm install -g @qwen-code/qwen-code",
    },
    Known {
        name: "copilot",
        template: include_str!("../templates/copilot.toml"),
        install: "npm install -g @github/copilot",
    },
    Known {
        name: "aider",
        template: include_str!("../templates/aider.toml"),
        install: "pipx install aider-chat",
    },
    Known { name: "llm", template: include_str!("../templates/llm.toml"), install: "pipx install llm" },
];

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
