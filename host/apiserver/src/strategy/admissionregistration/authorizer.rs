//! `authorizer` in expressions: k8s.io/apiserver `pkg/cel/library/authz.go`.
//!
//! Expressions run without waiting, and an authorizer may have to wait. So an evaluation asks [`Answers`]; what it does not
//! know yet is noted there and fails the evaluation, and whoever evaluates gets the answers and evaluates again.

use expression::{EvalError, Function, Library, Opaque, Overload, Type, Value};
use interfaces::authorize::UserInfo;
use object::names;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

pub const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
pub const RESOURCE_CHECK: &str = "kubernetes.authorization.ResourceCheck";
const PATH_CHECK: &str = "kubernetes.authorization.PathCheck";
const GROUP_CHECK: &str = "kubernetes.authorization.GroupCheck";
const DECISION: &str = "kubernetes.authorization.Decision";

/// A call of the authorizer is as dear as 350,000 steps (`pkg/cel/library/cost.go`); its parts cost one.
const CHECK_COST: u64 = 350_000;

/// One thing that an expression wants to know of the authorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Question {
    pub user: String,
    pub groups: Vec<String>,
    pub verb: String,
    /// Set of paths that are no resource; then nothing below is.
    pub path: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub field_selector: String,
    pub label_selector: String,
}

/// Allowed or not, with the reason.
pub type Answer = (bool, String);

/// What has been asked in one request, and what was answered.
#[derive(Debug, Default)]
pub struct Answers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<Question, Answer>,
    open: Vec<Question>,
}

impl Answers {
    /// Questions that evaluations asked in vain.
    pub fn take_open(&self) -> Vec<Question> {
        std::mem::take(&mut self.0.lock().open)
    }

    pub fn give(&self, question: Question, answer: Answer) {
        self.0.lock().known.insert(question, answer);
    }

    fn ask(&self, question: &Question) -> Option<Answer> {
        let mut state = self.0.lock();
        if let Some(known) = state.known.get(question) {
            return Some(known.clone());
        }
        if !state.open.contains(question) {
            state.open.push(question.clone());
        }
        None
    }
}

#[derive(Clone, Debug)]
struct Asker {
    user: String,
    groups: Vec<String>,
    answers: Arc<Answers>,
}

/// A value of one of the library's types: what will be asked, as far as it is said.
#[derive(Clone, Debug)]
struct Check {
    ty: &'static str,
    asker: Asker,
    question: Question,
}

#[derive(Clone, Debug)]
struct Decision(Answer);

impl Opaque for Check {
    fn type_name(&self) -> &str {
        self.ty
    }
    /// Values of this library are never equal to anything, as upstream's receiver-only values.
    fn equals(&self, _: &dyn Opaque) -> bool {
        false
    }
}

impl Opaque for Decision {
    fn type_name(&self) -> &str {
        DECISION
    }
    fn equals(&self, _: &dyn Opaque) -> bool {
        false
    }
}

/// The value of `authorizer`.
pub fn authorizer<'v>(user: &UserInfo, answers: &Arc<Answers>) -> Value<'v> {
    let asker = Asker { user: user.name.clone(), groups: user.groups.clone(), answers: answers.clone() };
    Value::opaque(Check { ty: AUTHORIZER, asker, question: Question::default() })
}

/// The value of `authorizer.requestResource`: a check of what the request is about.
pub fn request_resource<'v>(user: &UserInfo, answers: &Arc<Answers>, about: Question) -> Value<'v> {
    let asker = Asker { user: user.name.clone(), groups: user.groups.clone(), answers: answers.clone() };
    Value::opaque(Check { ty: RESOURCE_CHECK, asker, question: about })
}

/// The functions.
pub fn library() -> Library {
    let mut functions: Vec<(String, Function)> = Vec::new();
    let mut add = |name: &str, overloads: Vec<Overload>, cost: u64, run: Run| {
        let function = Function::new(overloads, cost, move |_, args| run(args));
        functions.push((name.to_owned(), function));
    };
    add("path", vec![on(AUTHORIZER, 1, PATH_CHECK)], 1, path);
    add("group", vec![on(AUTHORIZER, 1, GROUP_CHECK)], 1, |args| said(args, GROUP_CHECK, |q, text| q.group = text));
    add("serviceAccount", vec![on(AUTHORIZER, 2, AUTHORIZER)], 1, service_account);
    add("resource", vec![on(GROUP_CHECK, 1, RESOURCE_CHECK)], 1, resource);
    let part = |set: Run| set;
    for (name, run) in [
        ("subresource", part(|args| said(args, RESOURCE_CHECK, |q, text| q.subresource = text))),
        ("namespace", part(|args| said(args, RESOURCE_CHECK, |q, text| q.namespace = text))),
        ("name", part(|args| said(args, RESOURCE_CHECK, |q, text| q.name = text))),
        ("fieldSelector", part(|args| said(args, RESOURCE_CHECK, |q, text| q.field_selector = text))),
        ("labelSelector", part(|args| said(args, RESOURCE_CHECK, |q, text| q.label_selector = text))),
    ] {
        add(name, vec![on(RESOURCE_CHECK, 1, RESOURCE_CHECK)], 1, run);
    }
    add("check", vec![on(PATH_CHECK, 1, DECISION), on(RESOURCE_CHECK, 1, DECISION)], CHECK_COST, check);
    let told = |result: Type| vec![Overload { args: vec![Type::opaque(DECISION)], member: true, result }];
    // An authorizer of this server decides or refuses; none of its ways ends in an error.
    add("errored", told(Type::Bool), 1, |args| decision(args).map(|_| Value::Bool(false)));
    add("error", told(Type::String), 1, |args| decision(args).map(|_| Value::string("")));
    add("allowed", told(Type::Bool), 1, |args| decision(args).map(|answer| Value::Bool(answer.0)));
    add("reason", told(Type::String), 1, |args| decision(args).map(|answer| Value::string(answer.1.as_str())));
    Library { functions }
}

type Run = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, EvalError>;

/// A member with so many texts.
fn on(receiver: &str, texts: usize, result: &str) -> Overload {
    Overload {
        args: std::iter::once(Type::opaque(receiver)).chain(std::iter::repeat_n(Type::String, texts)).collect(),
        member: true,
        result: Type::opaque(result),
    }
}

fn failed<T>(told: &str) -> Result<T, EvalError> {
    Err(EvalError::Argument(told.to_owned()))
}

fn receiver<'v>(args: &'v [Value<'_>]) -> Result<&'v Check, EvalError> {
    args.first().and_then(Value::downcast::<Check>).ok_or(EvalError::NoSuchOverload)
}

fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(EvalError::NoSuchOverload)
}

/// The receiver with one more thing said.
fn said<'a>(args: &[Value<'a>], ty: &'static str, say: fn(&mut Question, String)) -> Result<Value<'a>, EvalError> {
    let mut check = receiver(args)?.clone();
    check.ty = ty;
    say(&mut check.question, text(args, 1)?.to_owned());
    Ok(Value::opaque(check))
}

fn path<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    if text(args, 1)?.trim().is_empty() {
        return failed("path must not be empty");
    }
    said(args, PATH_CHECK, |q, text| q.path = text)
}

fn resource<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    if text(args, 1)?.trim().is_empty() {
        return failed("resource must not be empty");
    }
    said(args, RESOURCE_CHECK, |q, text| q.resource = text)
}

fn service_account<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let mut check = receiver(args)?.clone();
    let (namespace, name) = (text(args, 1)?, text(args, 2)?);
    if !names::dns1123_subdomain(name).is_empty() {
        return failed("Invalid service account name");
    }
    if !names::dns1123_label(namespace).is_empty() {
        return failed("Invalid service account namespace");
    }
    let account = UserInfo::service_account(namespace, name);
    (check.asker.user, check.asker.groups) = (account.name, account.groups);
    Ok(Value::opaque(check))
}

fn check<'a>(args: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    let Check { asker, question, .. } = receiver(args)?;
    let verb = text(args, 1)?.to_owned();
    let question = Question { user: asker.user.clone(), groups: asker.groups.clone(), verb, ..question.clone() };
    match asker.answers.ask(&question) {
        Some(answer) => Ok(Value::opaque(Decision(answer))),
        None => failed("the authorizer has not answered yet"),
    }
}

fn decision<'v>(args: &'v [Value<'_>]) -> Result<&'v Answer, EvalError> {
    args.first().and_then(Value::downcast::<Decision>).map(|d| &d.0).ok_or(EvalError::NoSuchOverload)
}
