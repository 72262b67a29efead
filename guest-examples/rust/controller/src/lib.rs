//! A controller with a kind of its own: a `Greeting` becomes a ConfigMap with its text, which goes when it goes.

use coracle_plugin::api;
use coracle_plugin::controller::{Controller, Declaration, Failure, Gvr, Outcome, Request, Watch, set_controller};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Greeting {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    text: String,
}

struct Greetings;

impl Controller for Greetings {
    fn declare() -> Result<Vec<Declaration>, String> {
        let greetings = Watch::all(Gvr::new("example.org", "v1", "greetings")).fields(&["spec"]);
        let made = Watch::all(Gvr::new("", "v1", "configmaps")).labels("example.org/greeting").fields(&["data"]);
        Ok(vec![Declaration::new("greetings", greetings).owns(made)])
    }

    fn reconcile(request: Request) -> Result<Outcome, Failure> {
        // What it made is owned by it, and is collected when it is gone.
        let Some(greeting) = request.object::<Greeting>()? else { return Ok(Outcome::Done) };
        let (namespace, name) = (&request.key.namespace, &request.key.name);
        let wanted = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace, "labels": {"example.org/greeting": name}},
            "data": {"text": greeting.spec.text},
        });
        let owned: Value = serde_json::from_str(&set_controller(&wanted.to_string())?).map_err(|error| error.to_string())?;
        api::Gvr::new("", "v1", "configmaps").named(namespace, name).apply(&owned)?;
        Ok(Outcome::Done)
    }
}

coracle_plugin::controller!(Greetings);
