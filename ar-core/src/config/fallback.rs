//! The models that a model falls back to.

use super::Model;
use crate::exit::Failure;
use anyhow::Context;
use std::path::Path;

impl Model {
    /// The models that serve where this one has nobody left: its fallbacks, each followed by its own.
    ///
    /// Two models may share a fallback; it is there once. A model that cannot be read is an error.
    pub fn fallbacks(&self, dir: &Path) -> anyhow::Result<Vec<Self>> {
        let mut found = Vec::new();
        self.follow(&self.name, dir, &mut found)?;
        Ok(found)
    }

    fn follow(&self, first: &str, dir: &Path, found: &mut Vec<Self>) -> anyhow::Result<()> {
        for name in &self.fallback {
            if name != first && !found.iter().any(|other| other.name == *name) {
                let model = Self::load(dir, name)
                    .with_context(|| format!("cannot fall back from '{}'", self.name))?;
                found.push(model.clone());
                model.follow(first, dir, found)?;
            }
        }
        Ok(())
    }

    /// Refuses fallbacks that lead in a circle. Models that cannot be read are their own problem and lead nowhere.
    pub fn refuse_circle(&self, dir: &Path) -> anyhow::Result<()> {
        let Some(circle) = self.circle(dir, &[]) else { return Ok(()) };
        let file = self.file.display();
        let words = circle.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" to ");
        let failure = Failure::trouble(format!("{file}: 'fallback' goes in a circle, from {words}"));
        Err(failure.hint("take one of them out").into())
    }

    /// The names on the way into a circle and once around it.
    fn circle(&self, dir: &Path, above: &[&str]) -> Option<Vec<String>> {
        let way = [above, &[self.name.as_str()]].concat();
        if above.contains(&self.name.as_str()) {
            return Some(way.into_iter().map(str::to_owned).collect());
        }
        self.fallback.iter().find_map(|name| Self::load(dir, name).ok()?.circle(dir, &way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Writes models that fall back as told, and loads the first.
    fn models(dir: &Path, fallbacks: &[(&str, &str)]) -> Model {
        fs::create_dir_all(dir.join("models")).unwrap();
        for (name, fallback) in fallbacks {
            let file = dir.join("models").join(name).with_extension("toml");
            fs::write(file, format!("fallback = [{fallback}]\ncommand = 'x'\n")).unwrap();
        }
        Model::load(dir, fallbacks[0].0).unwrap()
    }

    #[test]
    fn each_model_on_the_way_is_tried_once() {
        let dir = tempfile::tempdir().unwrap();
        let top =
            models(dir.path(), &[("a", "'b', 'c'"), ("b", "'d'"), ("c", "'d', 'e'"), ("d", ""), ("e", "")]);
        let found = top.fallbacks(dir.path()).unwrap();
        assert_eq!(found.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["b", "d", "c", "e"]);
        top.refuse_circle(dir.path()).unwrap();
    }

    #[test]
    fn a_circle_is_refused_wherever_one_begins() {
        let dir = tempfile::tempdir().unwrap();
        for (fallbacks, words) in [
            (vec![("a", "'b'"), ("b", "'a'")], "from 'a' to 'b' to 'a'"),
            (vec![("a", "'none', 'b'"), ("b", "'c'"), ("c", "'b'")], "from 'a' to 'b' to 'c' to 'b'"),
        ] {
            let model = models(dir.path(), &fallbacks);
            let error = model.refuse_circle(dir.path()).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("models/a.toml: 'fallback' goes in a circle, {words}")),
                "{error}"
            );
        }
        // A model that is changed meanwhile into a circle is no endless way.
        assert_eq!(models(dir.path(), &[("a", "'b'"), ("b", "'a'")]).fallbacks(dir.path()).unwrap().len(), 1);
    }
}
