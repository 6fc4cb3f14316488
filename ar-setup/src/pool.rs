//! The model of all agents found: one pool with the provider of each template.

use crate::known::Known;

/// The head of the file.
const HEAD: &str = "\
# Every agent that was found, in one pool: a run goes to the one used least, and on to the next where that fails.
# What the arguments mean, and which ones let an agent do more, stands in the file of each agent beside this one.
# 'tier = 2' keeps a provider in reserve, 'disabled = true' leaves it out; ar-config(5) has the other keys.

description = \"Any agent\"
";

/// Makes the text of a model file with the provider of each of `found`. Comments stay in the agent's own file.
pub fn text(found: &[Known]) -> String {
    let mut text = HEAD.to_owned();
    for known in found {
        text.push('\n');
        for line in known.template.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::KNOWN;
    use ar_core::config::Model;

    #[test]
    fn the_pool_holds_the_provider_of_each_template() {
        let pool = Model::parse("any", "any.toml".into(), &text(KNOWN)).unwrap();
        let alone = KNOWN.iter().map(|known| {
            Model::parse(known.name, "any.toml".into(), known.template).unwrap().providers.remove(0)
        });
        assert_eq!(pool.providers, alone.collect::<Vec<_>>());
    }
}
