//! An admission plugin: objects must have labels. Which objects, its WasmPlugin's rules say; which labels, its settings.

mod labels;

use coracle_plugin::admission::{Denial, Notes, Operation, Request, Validate};
use coracle_plugin::config;
use labels::Settings;

struct RequiredLabels;

coracle_plugin::admission!(validate: RequiredLabels, settings: Settings);

impl Validate for RequiredLabels {
    fn validate(request: &Request, _notes: &mut Notes) -> Result<(), Denial> {
        let Some(object) = request.object()? else { return Ok(()) };
        // What is being deleted is not to be held up: its finalizers are removed by updates.
        if request.operation == Operation::Update && labels::is_being_deleted(&object) {
            return Ok(());
        }
        let settings: Settings = config::read()?;
        let missing = settings.missing(&object);
        if missing.is_empty() {
            return Ok(());
        }
        let told: Vec<&str> = missing.iter().map(|(_, text)| text.as_str()).collect();
        let denial = Denial::new(settings.tell(&told.join(", ")));
        Err(missing.iter().fold(denial, |denial, (field, text)| denial.field(field, text.as_str())))
    }
}
