//! HTTP middleware: only requests with the token that `spec.config.token` says come to the Service; every answer says who let it
//! pass.

use coracle_plugin::config;
use coracle_plugin::middleware::{Changes, Decision, OnRequest, OnResponse, Request, Response, ResponseChanges};

struct Gate;

impl OnRequest for Gate {
    fn handle(request: Request, _body: Option<Vec<u8>>) -> Result<Decision, String> {
        let token = config::get("token").ok_or("spec.config.token is missing")?;
        if request.header("authorization") == Some(format!("Bearer {token}").as_str()) {
            return Ok(Decision::Next(Changes::none().set("x-checked", "yes")));
        }
        Ok(Decision::respond(401, "a token is needed\n"))
    }
}

impl OnResponse for Gate {
    fn handle(_request: Request, _response: Response, _context: Vec<u8>) -> Result<ResponseChanges, String> {
        Ok(ResponseChanges::none().set("x-passed", "gate"))
    }
}

coracle_plugin::middleware!(request: Gate, response: Gate);
