//! What becomes of a hook's answer: by its mode and failure policy
//! (`k8s.io/apiserver/pkg/admission/plugin/webhook/{errors/statuserror.go,mutating/dispatcher.go,validating/dispatcher.go}`).

use super::{Asked, Hook, Mode, Spec};
use crate::admission::matching::{Attributes, OnError};
use crate::call::Call;
use interfaces::admit::{AdmissionRequest, Admitted, Change, Denial, Refusal};
use interfaces::schedule::PluginError;
use object::{Reason, StatusCause, StatusError};

/// Which of a hook's methods is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Mutate,
    Validate,
}

/// Asks the hook.
pub async fn ask(hook: &Hook, phase: Phase, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
    let Asked::Group { expression, message, members } = &hook.spec.asked else {
        return match hook.rows.first().and_then(Option::as_ref) {
            Some(row) if phase == Phase::Mutate => row.plugin.mutate(request).await,
            Some(row) => row.plugin.validate(request).await,
            None => Err(missing(&hook.spec.name)),
        };
    };
    let failed = |cause: String| Refusal::Failed(PluginError::Failed { plugin: hook.spec.name.clone(), cause });
    let expression = expression.as_ref().map_err(|cause| failed(format!("spec.expression: {cause}")))?;
    let (mut known, mut all) = (vec![None; members.len()], Admitted::default());
    let mut causes = Vec::new();
    loop {
        let number = match expression.evaluate(&known) {
            Ok(true) => return Ok(all),
            Ok(false) => break,
            Err(number) => number,
        };
        let Some(((member, plugin), row)) = members.get(number).zip(hook.rows.get(number)) else { break };
        let answer = match row {
            Some(row) => row.plugin.validate(request).await,
            None => Err(missing(plugin)),
        };
        let (warnings, annotations, allowed) = match answer {
            Ok(admitted) => (admitted.warnings, admitted.audit_annotations, true),
            Err(Refusal::Denied(denial)) => {
                causes.push(StatusCause { reason: String::new(), message: denial.message, field: format!("spec.policies.{member}") });
                (denial.warnings, denial.audit_annotations, false)
            }
            Err(Refusal::Failed(error)) => return Err(failed(format!("policy {member:?}: {error}"))),
        };
        if let Some(place) = known.get_mut(number) {
            *place = Some(allowed);
        }
        all.warnings.extend(warnings);
        all.audit_annotations.extend(annotations.into_iter().map(|(key, value)| (format!("{member}.{key}"), value)));
    }
    Err(Refusal::Denied(Denial {
        message: message.clone(),
        causes,
        warnings: all.warnings,
        audit_annotations: all.audit_annotations,
        ..Denial::default()
    }))
}

fn missing(plugin: &str) -> Refusal {
    Refusal::Failed(PluginError::Failed { plugin: plugin.to_owned(), cause: "it is not loaded".to_owned() })
}

/// Passes on what was told beside the decision, and decides.
pub fn conclude(
    call: &Call,
    attributes: &Attributes<'_>,
    spec: &Spec,
    request: &AdmissionRequest,
    result: Result<Admitted, Refusal>,
) -> Result<Option<Change>, StatusError> {
    let tell = |warnings: Vec<String>, annotations: std::collections::BTreeMap<String, String>| {
        if spec.mode != Mode::Audit {
            warnings.into_iter().for_each(|warning| call.warn(warning));
        }
        annotations.into_iter().for_each(|(key, value)| call.annotate(&format!("{}/{key}", spec.name), value));
    };
    match result {
        Ok(admitted) => {
            tell(admitted.warnings, admitted.audit_annotations);
            // What only warns or notes changes nothing.
            Ok(admitted.change.filter(|_| spec.mode == Mode::Enforce))
        }
        Err(Refusal::Denied(mut denial)) => {
            tell(std::mem::take(&mut denial.warnings), std::mem::take(&mut denial.audit_annotations));
            let refused = status(&spec.told(), denial);
            match spec.mode {
                Mode::Enforce => return Err(refused),
                Mode::Warn => call.warn(softened(&refused.message)),
                Mode::Audit => {
                    call.annotate(&format!("{}/denied", spec.name), refused.message.clone());
                    call.shared.hooks.events.note(attributes, request, spec, &softened(&refused.message));
                }
            }
            Ok(None)
        }
        Err(Refusal::Failed(error)) => {
            let told = format!("failed calling {}: {error}", spec.told());
            tracing::warn!(hook = spec.name, "{told}");
            match (spec.mode, spec.on_error) {
                (Mode::Enforce, OnError::Refuse) => return Err(StatusError::internal(told)),
                (Mode::Enforce, OnError::Skip) | (Mode::Warn, _) => {
                    call.annotate(&format!("{}/failed-open", spec.name), error.to_string());
                    call.warn(format!("{told} (the request goes on without it)"));
                }
                (Mode::Audit, _) => call.annotate(&format!("{}/failed-open", spec.name), error.to_string()),
            }
            Ok(None)
        }
    }
}

/// In the modes that do not deny.
fn softened(told: &str) -> String {
    told.replacen(" denied the request", " would have denied the request", 1)
}

/// `ToStatusErr`, where a denial without a code is a 403.
fn status(hook: &str, denial: Denial) -> StatusError {
    let code = match denial.code {
        0 => 403,
        code if (400..600).contains(&code) => code,
        _ => 400,
    };
    let message = match (denial.message.as_str(), denial.reason.as_str()) {
        ("", "") => format!("{hook} denied the request without explanation"),
        ("", reason) => format!("{hook} denied the request: {reason}"),
        (message, _) => format!("{hook} denied the request: {message}"),
    };
    let reason = match (Reason::from_name(&denial.reason), code) {
        (Reason::Unknown, 400) => Reason::BadRequest,
        (Reason::Unknown, 403) => Reason::Forbidden,
        (Reason::Unknown, 409) => Reason::Conflict,
        (Reason::Unknown, 413) => Reason::RequestEntityTooLarge,
        (Reason::Unknown, 422) => Reason::Invalid,
        (reason, _) => reason,
    };
    let mut error = StatusError::new(code, reason, message);
    error.causes = denial.causes;
    error
}

/// A dry run is not told to what has side effects.
pub fn no_dry_run(spec: &Spec) -> StatusError {
    StatusError::bad_request(format!("{} does not support dry run", spec.told()))
}
