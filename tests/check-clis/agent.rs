//! The agents: where they come from, and how each is pointed at a provider.

use crate::case::Case;
use serde_json::{Value, json};

/// An agent.
#[derive(Debug)]
pub struct Agent {
    /// Its command, and the name of its template.
    pub name: &'static str,
    /// Its package.
    pub source: Source,
    /// What points it at a provider.
    pub setup: fn(&str) -> Setup,
    /// Cases in which it tries for ever, or for minutes, and says nothing: only a limit ends the run, which is right.
    pub never_says: &'static [Case],
    /// Whether it passes on when a quota is full again.
    pub tells_reset: bool,
    /// Whether it tells tokens, and not rounded.
    pub tells_tokens: bool,
    /// Whether it has sessions that can be resumed.
    pub has_sessions: bool,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// The npm registry.
    Npm(&'static str),
    /// The Python package index.
    Pypi(&'static str),
}

/// Environment and files for a base address.
#[derive(Debug, Default)]
pub struct Setup {
    /// Variables.
    pub env: Vec<(&'static str, String)>,
    /// Files below the home directory.
    pub files: Vec<(&'static str, String)>,
}

/// All agents.
pub const AGENTS: [Agent; 8] = [
    Agent {
        name: "claude",
        source: Source::Npm("@anthropic-ai/claude-code"),
        setup: claude,
        never_says: &[],
        tells_reset: true,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "codex",
        source: Source::Npm("@openai/codex"),
        setup: codex,
        // "Reconnecting... waiting for network", without end.
        never_says: &[Case::Refused],
        tells_reset: true,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "gemini",
        source: Source::Npm("@google/gemini-cli"),
        setup: gemini,
        never_says: &[],
        tells_reset: true,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "opencode",
        source: Source::Npm("opencode-ai"),
        setup: opencode,
        never_says: &[],
        tells_reset: true,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "qwen",
        source: Source::Npm("@qwen-code/qwen-code"),
        setup: qwen,
        never_says: &[],
        tells_reset: false,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "copilot",
        source: Source::Npm("@github/copilot"),
        setup: copilot,
        never_says: &[],
        tells_reset: true,
        tells_tokens: false,
        has_sessions: true,
    },
    Agent {
        name: "llm",
        source: Source::Pypi("llm"),
        setup: llm,
        never_says: &[],
        tells_reset: false,
        tells_tokens: true,
        has_sessions: true,
    },
    Agent {
        name: "aider",
        source: Source::Pypi("aider-chat"),
        setup: aider,
        never_says: &[],
        tells_reset: false,
        tells_tokens: false,
        has_sessions: false,
    },
];

fn claude(url: &str) -> Setup {
    // A subscription's token and not a key: limits with a reset time are those of subscriptions.
    let token = "sk-ant-oat01-mock".to_owned();
    Setup {
        env: vec![("ANTHROPIC_BASE_URL", url.to_owned()), ("CLAUDE_CODE_OAUTH_TOKEN", token)],
        ..Setup::default()
    }
}

fn codex(url: &str) -> Setup {
    let config = format!(
        "model = 'mock'\nmodel_provider = 'mock'\n\n[model_providers.mock]\nname = 'mock'\nbase_url = '{url}/v1'\n\
         wire_api = 'responses'\nenv_key = 'MOCK_KEY'\nrequest_max_retries = 1\nstream_max_retries = 1\n"
    );
    Setup { env: vec![("MOCK_KEY", "sk-mock".to_owned())], files: vec![(".codex/config.toml", config)] }
}

fn gemini(url: &str) -> Setup {
    let settings = json!({
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": false, "maxAttempts": 2},
        "privacy": {"usageStatisticsEnabled": false},
    });
    Setup {
        env: vec![
            ("GOOGLE_GEMINI_BASE_URL", url.to_owned()),
            ("GEMINI_API_KEY", "mock-key".to_owned()),
            ("GEMINI_MODEL", "gemini-2.5-flash".to_owned()),
        ],
        files: vec![(".gemini/settings.json", settings.to_string())],
    }
}

fn opencode(url: &str) -> Setup {
    let config = json!({
        "provider": {"mock": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "mock",
            "options": {"baseURL": format!("{url}/v1"), "apiKey": "sk-mock"},
            "models": {"mock": {"name": "mock", "cost": {"input": 1, "output": 2}}},
        }},
        "model": "mock/mock",
        "small_model": "mock/mock",
        "share": "disabled",
    });
    Setup {
        env: vec![("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned())],
        files: vec![(".config/opencode/opencode.json", config.to_string())],
    }
}

fn qwen(url: &str) -> Setup {
    let settings: Value = json!({
        "security": {"auth": {"selectedType": "openai"}},
        "general": {"enableAutoUpdate": false},
        // Else it asks the model a second time, for its own use, and counts that too.
        "memory": {"enableManagedAutoMemory": false, "enableManagedAutoDream": false},
        "model": {"generationConfig": {"maxRetries": 0}},
    });
    Setup { env: openai(url), files: vec![(".qwen/settings.json", settings.to_string())] }
}

fn copilot(url: &str) -> Setup {
    let env = [
        ("COPILOT_PROVIDER_BASE_URL", format!("{url}/v1")),
        ("COPILOT_PROVIDER_API_KEY", "sk-mock".to_owned()),
        ("COPILOT_PROVIDER_TYPE", "openai".to_owned()),
        ("COPILOT_MODEL", "gpt-4o".to_owned()),
        ("COPILOT_OFFLINE", "true".to_owned()),
    ];
    Setup { env: env.into(), ..Setup::default() }
}

fn llm(url: &str) -> Setup {
    let models = format!("- model_id: mock\n  model_name: mock\n  api_base: '{url}/v1'\n");
    Setup {
        env: openai(url),
        files: vec![
            (".config/io.datasette.llm/extra-openai-models.yaml", models),
            (".config/io.datasette.llm/default_model.txt", "mock".to_owned()),
        ],
    }
}

fn aider(url: &str) -> Setup {
    let mut env = openai(url);
    env.push(("OPENAI_API_BASE", format!("{url}/v1")));
    env.push(("AIDER_MODEL", "openai/mock".to_owned()));
    env.push(("AIDER_SHOW_MODEL_WARNINGS", "false".to_owned()));
    Setup { env, ..Setup::default() }
}

fn openai(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("OPENAI_BASE_URL", format!("{url}/v1")),
        ("OPENAI_API_KEY", "sk-mock".to_owned()),
        ("OPENAI_MODEL", "gpt-4o".to_owned()),
    ]
}
