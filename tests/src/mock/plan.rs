//! What the mock does with a request.

/// What becomes of every request below a base address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It is answered.
    Ok,
    /// The key is wrong.
    InvalidKey,
    /// Too many requests; the next one is welcome in a few seconds.
    RateLimit,
    /// The quota is used up until [`super::Mock::resets_at`].
    Quota,
    /// The provider has no capacity.
    Overloaded,
    /// The provider has an error.
    ServerError,
    /// Nothing comes.
    Hang,
    /// The answer breaks off.
    Cut,
    /// It is answered as a model that drives 'ar setup ai' would: [`super::SETUP`] has the answer to each turn.
    Setup,
}

impl Plan {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::InvalidKey,
        Self::RateLimit,
        Self::Quota,
        Self::Overloaded,
        Self::ServerError,
        Self::Hang,
        Self::Cut,
        Self::Setup,
    ];

    /// Its part in the path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InvalidKey => "invalid-key",
            Self::RateLimit => "rate-limit",
            Self::Quota => "quota",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server-error",
            Self::Hang => "hang",
            Self::Cut => "cut",
            Self::Setup => "setup",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.name() == name)
    }
}
