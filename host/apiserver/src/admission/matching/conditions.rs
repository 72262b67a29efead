//! `matchConditions`: `k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go`.

use super::Attributes;
use crate::auth::{self, Ask};
use crate::strategy::admissionregistration::authorizer::{self, Answer, Answers, Question};
use crate::strategy::admissionregistration::expressions::{self, Offers};
use crate::strategy::at::At;
use crate::strategy::read::items;
use crate::virtual_kind::user_value;
use expression::{Bindings, Budget, EvalError, MATCH_CONDITIONS_BUDGET, Program, Type};
use interfaces::authorize::UserInfo;
use object::field::ErrorList;
use object::selector::FieldSelector;
use object::{Object, Value, json};
use registry::Kind;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Conditions {
    /// Expression and what became of it.
    programs: Vec<(String, Program)>,
}

/// What expressions see.
struct Data {
    object: Value,
    old: Value,
    request: Value,
    namespace: Value,
}

impl Conditions {
    pub fn read(tree: &Value) -> Result<Self, String> {
        if items(tree, "matchConditions").next().is_none() {
            return Ok(Self::default());
        }
        let declarations = expressions::declarations(Offers { params: false, authorizer: true });
        let mut errors = ErrorList::new();
        let mut programs = Vec::new();
        for (index, condition) in items(tree, "matchConditions") {
            let all = At::new("matchConditions");
            let program = expressions::compile(condition, "expression", &declarations, &[Type::Bool], &all.index(index), &mut errors);
            let text = condition.get("expression").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
            match (program, errors.causes().first()) {
                (Some(program), None) => programs.push((text, program)),
                (_, Some(cause)) => return Err(format!("{}: {}", cause.field, cause.message)),
                (None, None) => return Err(format!("matchConditions[{index}].expression: it is empty")),
            }
        }
        Ok(Self { programs })
    }

    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }

    /// Whether all hold. One that does not hold decides, whatever is wrong with others.
    ///
    /// # Errors
    /// Of those that could not be evaluated.
    pub async fn check(
        &self,
        attributes: &Attributes<'_>,
        row: &Kind,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<bool, String> {
        let uses = |variable: &str| self.programs.iter().any(|(_, p)| p.uses(variable));
        let value = |variable: &str, object: Option<&Object>| match object {
            Some(object) if uses(variable) => object.to_value(),
            _ => Value::Null,
        };
        let namespace = || attributes.namespace_item(attributes.namespace).map_or(Value::Null, |item| item.object().into_value());
        let data = Data {
            object: value("object", object),
            old: value("oldObject", old),
            request: if uses("request") { request(attributes, row) } else { Value::Null },
            namespace: if uses("namespaceObject") && !attributes.namespace.is_empty() { namespace() } else { Value::Null },
        };
        let answers = Arc::new(Answers::default());
        loop {
            let result = self.evaluate(attributes, &data, &answers);
            let open = answers.take_open();
            if open.is_empty() {
                return result;
            }
            for question in open {
                let answer = decide(attributes, &question).await;
                answers.give(question, answer);
            }
        }
    }

    fn evaluate(&self, attributes: &Attributes<'_>, data: &Data, answers: &Arc<Answers>) -> Result<bool, String> {
        let about = Question {
            group: attributes.row.group.clone(),
            resource: attributes.row.resource.clone(),
            subresource: attributes.subresource.to_owned(),
            namespace: attributes.namespace.to_owned(),
            name: attributes.name.to_owned(),
            ..Question::default()
        };
        let bindings = Bindings::new()
            .json("object", &data.object)
            .json("oldObject", &data.old)
            .json("request", &data.request)
            .json("namespaceObject", &data.namespace)
            .value("authorizer", authorizer::authorizer(attributes.user, answers))
            .value("authorizer.requestResource", authorizer::request_resource(attributes.user, answers, about));
        let mut budget = Budget::new(MATCH_CONDITIONS_BUDGET);
        let mut errors: Vec<String> = Vec::new();
        for (text, program) in &self.programs {
            match program.evaluate(&bindings, &mut budget).map(|value| value.as_bool()) {
                Ok(Some(true)) => {}
                Ok(_) => return Ok(false),
                Err(error @ EvalError::BudgetExceeded) => return Err(error.to_string()),
                Err(error) => errors.push(format!("expression '{text}' resulted in error: {error}")),
            }
        }
        match errors.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

async fn decide(attributes: &Attributes<'_>, question: &Question) -> Answer {
    let known = *attributes.user.name == question.user && attributes.user.groups == question.groups;
    let other;
    let user = if known {
        attributes.user.as_ref()
    } else {
        other = UserInfo { name: question.user.clone(), groups: question.groups.clone(), ..UserInfo::default() };
        &other
    };
    // What cannot be read selects nothing less.
    let fields = Some(&question.field_selector).filter(|s| !s.is_empty()).and_then(|s| FieldSelector::parse(s).ok());
    let ask = Ask {
        user,
        verb: &question.verb,
        is_resource: question.path.is_empty(),
        group: &question.group,
        version: "*",
        resource: &question.resource,
        subresource: &question.subresource,
        namespace: &question.namespace,
        name: &question.name,
        path: &question.path,
        fields: fields.as_ref(),
    };
    match auth::decide(attributes.shared, &ask, true).await {
        Ok(granted) => (true, granted.reason),
        Err(reason) => (false, reason),
    }
}

/// `CreateAdmissionRequest`, in the words of the variable's declaration.
fn request(attributes: &Attributes<'_>, row: &Kind) -> Value {
    let kind = |row: &Kind| {
        let kind = attributes.kind(row);
        json!({ "group": kind.group, "version": kind.version, "kind": kind.kind })
    };
    let resource = |row: &Kind| json!({ "group": row.group, "version": row.version, "resource": row.resource });
    json!({
        "kind": kind(row),
        "resource": resource(row),
        "subResource": attributes.subresource,
        "requestKind": kind(attributes.row),
        "requestResource": resource(attributes.row),
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": attributes.operation.as_str(),
        "userInfo": user_value(attributes.user),
        "dryRun": attributes.dry_run,
        "options": &*attributes.options,
    })
}
