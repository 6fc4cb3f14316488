//! Other models that serve where the one that was asked for has nobody left.

use crate::quota;
use crate::request::Request;
use crate::reserve::{self, Picked};
use anyhow::Result;
use ar_core::config::Model;
use ar_core::record::{Pick, ToolError};
use ar_core::state::State;

/// How a pick from a model and those that it falls back to ended.
pub enum Served {
    By(Pick),
    ByOther(Pick, Other),
    Nobody(ToolError),
}

/// The model that serves instead.
pub struct Other {
    pub name: String,
    /// Why the one that was asked for does not.
    pub why: String,
}

/// How one model is picked from.
type PickFrom = fn(&mut State, &Request, &Model) -> Result<Picked>;

/// Picks from the model, else from one that it falls back to.
pub fn pick(state: &mut State, request: &Request, model: &Model) -> Result<Served> {
    quota::refresh(state, request, model)?;
    match reserve::pick(state, request, model)? {
        Picked::One(pick) => Ok(Served::By(pick)),
        Picked::Nobody(error) | Picked::Behind(error) => others(state, request, model, error, reserve::pick),
    }
}

/// Picks from the first able of the models that this one falls back to, because of `error`.
pub fn others(
    state: &mut State,
    request: &Request,
    model: &Model,
    mut error: ToolError,
    pick: PickFrom,
) -> Result<Served> {
    for other in models(request, model)? {
        quota::refresh(state, request, &other)?;
        match pick(state, request, &other)? {
            Picked::One(pick) => {
                return Ok(Served::ByOther(pick, Other { name: other.name, why: error.message }));
            }
            Picked::Nobody(later) | Picked::Behind(later) => error = sooner(error, later),
        }
    }
    Ok(Served::Nobody(error))
}

/// The models that this one falls back to. Who names a provider wants no other.
pub fn models(request: &Request, model: &Model) -> Result<Vec<Model>> {
    if request.only.is_some() { Ok(Vec::new()) } else { model.fallbacks(&request.place.config_dir) }
}

/// The trouble of a model whose fallback cannot serve either: it ends when the first of the two ends.
fn sooner(error: ToolError, other: ToolError) -> ToolError {
    match (error.retry_at, other.retry_at) {
        (own, Some(at)) if own.is_none_or(|own| at < own) => {
            ToolError { code: other.code, hint: other.hint, retry_at: other.retry_at, ..error }
        }
        _ => error,
    }
}
