//! Admission in code: steps in the order of the table, each of which may change (`mutate`) or refuse (`validate`).
//! Upstream's plugins, `kubernetes/pkg/kubeapiserver/options/plugins.go`.

pub mod audit;
mod escalation;
mod event;
pub mod hooks;
mod lifecycle;
pub mod matching;
mod node_restriction;
mod pod;
mod priority;
mod runtime_class;
mod service_account;
mod table;

use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError};

/// One step. A refusal is an `Err`.
#[async_trait]
pub trait Step: Send + Sync {
    /// Before defaults are applied again and the object is validated. `old` is `None` on create.
    async fn mutate(&self, _write: &Write<'_>, _new: &mut Object, _old: Option<&Object>) -> Result<(), StatusError> {
        Ok(())
    }
    async fn validate(&self, _write: &Write<'_>, _new: &Object, _old: Option<&Object>) -> Result<(), StatusError> {
        Ok(())
    }
    fn delete(&self, _write: &Write<'_>, _name: &str) -> Result<(), StatusError> {
        Ok(())
    }
}

/// The built-in steps, then plugins. When a plugin changed the object, all once more: the steps, and those plugins that ask for it
/// (`k8s.io/apiserver/pkg/admission/reinvocation.go`).
pub async fn mutate(write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
    built_in(write, new, old).await?;
    let name = new.name().to_owned();
    let Some(mut round) = hooks::Round::of_write(write, hooks::operation(old), &name) else { return Ok(()) };
    round.mutate(Some(new), old).await?;
    if round.repeats() {
        built_in(write, new, old).await?;
        round.mutate(Some(new), old).await?;
    }
    Ok(())
}

async fn built_in(write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
    for step in table::STEPS {
        step.mutate(write, new, old).await?;
    }
    Ok(())
}

pub async fn validate(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
    for step in table::STEPS {
        step.validate(write, new, old).await?;
    }
    hooks::validate(write, new, old).await
}

/// The built-in steps, before the object is looked for; [`hooks::delete`] asks the plugins once it is found.
pub fn delete(write: &Write<'_>, name: &str) -> Result<(), StatusError> {
    table::STEPS.iter().try_for_each(|step| step.delete(write, name))
}
