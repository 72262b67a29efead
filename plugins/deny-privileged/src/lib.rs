//! An admission plugin: pods that would get at their node are refused, and so are the objects that would make such pods. The
//! checks are those of the baseline level of the Pod Security Standards, with exemptions by its settings.

mod checks;
mod settings;

use checks::Violation;
use coracle_plugin::admission::{Denial, Notes, Request, Validate};
use coracle_plugin::config;
use pod_specs::PodSpec;
use serde_json::Value;
use settings::{Settings, Templates};

struct DenyPrivileged;

coracle_plugin::admission!(validate: DenyPrivileged, settings: Settings);

impl Validate for DenyPrivileged {
    fn validate(request: &Request, notes: &mut Notes) -> Result<(), Denial> {
        let (new, old): (Option<Value>, Option<Value>) = (request.object()?, request.old_object()?);
        let Some((object, spec)) = new.as_ref().and_then(|object| Some((object, PodSpec::find(object)?))) else { return Ok(()) };
        let settings: Settings = config::read()?;
        if let Some(why) = settings.exempts(&request.namespace, &request.user.name, &spec) {
            notes.annotate("exempt", why);
            return Ok(());
        }
        // What was let in before does not stand in the way of other changes.
        let before = old.as_ref().map(checks::violations).unwrap_or_default();
        let mut found = checks::violations(object);
        found.retain(|violation| !settings.allows(violation) && !before.contains(violation));
        if found.is_empty() {
            return Ok(());
        }
        let told = found.iter().map(|violation| violation.text.as_str()).collect::<Vec<_>>().join("; ");
        match settings.templates {
            Templates::Ignore if spec.is_template() => Ok(()),
            Templates::Warn if spec.is_template() => {
                notes.warn(format!("its pods will be denied: {told}"));
                Ok(())
            }
            _ => Err(found.iter().fold(Denial::new(told), |denial, Violation { field, text, .. }| denial.field(field, text.as_str()))),
        }
    }
}
