//! Options of writes, checked as `apimachinery/pkg/apis/meta/v1/validation/validation.go` does: what is wrong with them is
//! told with 422, as causes of `CreateOptions`, `UpdateOptions` or `PatchOptions`.

use crate::call::Call;
use object::field::{ErrorList, Path};
use object::{GroupKind, StatusError, json};

/// `fieldValidation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

impl FieldValidation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Warn => "Warn",
            Self::Strict => "Strict",
        }
    }
}

/// Options that all writes share.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub field_manager: String,
    pub field_validation: FieldValidation,
}

/// `FieldManagerMaxLength`.
const MANAGER_MAX: usize = 128;

impl WriteOptions {
    /// `dryRun`, `fieldManager` and `fieldValidation` of the query; the manager's default is the user agent's first part.
    pub fn read(call: &Call) -> Result<Self, StatusError> {
        let mut errors = ErrorList::new();
        let kind = match call.info.verb.as_str() {
            "create" => "CreateOptions",
            "patch" => {
                patch_options(call, &mut errors);
                "PatchOptions"
            }
            "update" => "UpdateOptions",
            _ => "DeleteOptions",
        };
        let named = call.query.get("fieldManager");
        field_manager(named, &Path::new("fieldManager"), &mut errors);
        let dry_run: Vec<&str> = call.query.all("dryRun").collect();
        check_dry_run(&dry_run, &mut errors);
        let field_validation = match call.query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                errors.not_supported(&Path::new("fieldValidation"), other, &["", "Ignore", "Strict", "Warn"]);
                FieldValidation::Strict
            }
        };
        refuse(kind, errors)?;
        let field_manager = if named.is_empty() { agent(call) } else { named.to_owned() };
        Ok(Self { dry_run: !dry_run.is_empty(), field_manager, field_validation })
    }
}

/// Upstream's `prefixFromUserAgent`.
fn agent(call: &Call) -> String {
    let agent = call.header("user-agent").split('/').next().unwrap_or_default();
    let printable: String = agent.chars().filter(|c| !c.is_control()).take(MANAGER_MAX).collect();
    if printable.is_empty() { "unknown".to_owned() } else { printable }
}

fn patch_options(call: &Call, errors: &mut ErrorList) {
    let applies = crate::write::media_type(call).starts_with("application/apply-patch+");
    if !applies && call.query.has("force") {
        errors.forbidden(&Path::new("force"), "may not be specified for non-apply patch");
    }
    if applies && call.query.get("fieldManager").is_empty() {
        errors.required(&Path::new("fieldManager"), "is required for apply patch");
    }
}

/// `ValidateFieldManager`.
pub fn field_manager(manager: &str, path: &Path, errors: &mut ErrorList) {
    if manager.len() > MANAGER_MAX {
        errors.too_long(path, MANAGER_MAX);
    }
    for (at, character) in manager.char_indices().filter(|(_, c)| c.is_control()) {
        let told = format!("invalid character U+{:04X} (at position {at})", u32::from(character));
        errors.invalid(path, manager, &told);
    }
}

/// `ValidateDryRun`.
pub fn check_dry_run(asked: &[&str], errors: &mut ErrorList) {
    if asked.iter().any(|value| *value != "All") {
        errors.not_supported(&Path::new("dryRun"), json!(asked), &["All"]);
    }
}

/// 422 about options of `meta.k8s.io`, when there is anything to tell.
pub fn refuse(kind: &str, errors: ErrorList) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    let kind = GroupKind { group: "meta.k8s.io".to_owned(), kind: kind.to_owned() };
    Err(StatusError::invalid(&kind, "", errors.into_causes()))
}
