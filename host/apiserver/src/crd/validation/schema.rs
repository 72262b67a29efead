//! `ValidateCustomResourceDefinitionOpenAPISchema`: what a schema may say, node by node, and its rules.

use super::defaults;
use crate::crd::rules::{self, Compiled};
use expression::{ESTIMATE_LIMIT, ESTIMATE_LIMIT_CRD};
use object::Value;
use object::field::{ErrorList, Path};
use registry::custom::props::{Additional, Props, Rule};
use registry::custom::walk::META_FIELDS;
use registry::custom::{field_path, structure};

pub(super) const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// What the root may have beside a status subresource, as upstream lists it.
const AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern \
                       MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example \
                       XPreserveUnknownFields XValidations]";
/// Expensive rules that are told when all together cost too much.
const TOLD: usize = 4;

/// What older servers did not ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    pub types: bool,
    pub pruned_defaults: bool,
    pub atomic_sets: bool,
    pub map_keys: bool,
    /// Single rules may cost what they cost.
    pub suppress_cost: bool,
}

impl Checks {
    pub const ALL: Self = Self { types: true, pruned_defaults: true, atomic_sets: true, map_keys: true, suppress_cost: false };
}

/// A list of type `set` whose items merge field by field.
pub(super) fn has_open_set(s: &Props) -> bool {
    let Some(items) = s.items.as_deref().filter(|_| s.list_type.as_deref() == Some("set")) else { return false };
    match items.ty.as_str() {
        "array" => items.list_type.as_deref().is_some_and(|t| t != "atomic"),
        "object" => items.map_type.as_deref() != Some("atomic"),
        _ => false,
    }
}

pub(super) fn has_extensions(s: &Props) -> bool {
    s.embedded
        || s.preserve_unknown.is_some()
        || s.int_or_string
        || !s.list_map_keys.is_empty()
        || s.list_type.is_some()
        || !s.rules.is_empty()
}

/// `validateMapListKeysMapSet`
pub(super) fn map_keys(s: &Props, at: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let (Some(items), Some(ty @ ("set" | "map"))) = (s.items.as_deref(), s.list_type.as_deref()) else { return errors };
    let at = at.child("items");
    if items.nullable {
        errors.forbidden(&at.child("nullable"), &format!("cannot be nullable when x-kubernetes-list-type is {ty}"));
    }
    for key in s.list_map_keys.iter().filter(|_| ty == "map") {
        let Some(property) = items.properties.get(key) else { continue };
        let at = at.child("properties").key(key);
        if !items.required.contains(key) && property.default.is_none() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&at.child("default"), detail);
        }
        if property.nullable {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&at.child("nullable"), detail);
        }
    }
    errors
}

/// One version's schema; `at` is what holds `openAPIV3Schema`.
pub(super) fn validate(raw: &Value, status: bool, structural: bool, checks: Checks, at: &Path, errors: &mut ErrorList) {
    let schema = Props::read(raw);
    let path = at.child("openAPIV3Schema");
    let mut found = ErrorList::new();
    if status {
        if schema.ty != "object" && !schema.ty.is_empty() {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            found.invalid(&at.child("openAPIV3Schema.type"), schema.ty.as_str(), detail);
        } else if has_more_at_root(&schema) {
            let detail = format!("only {AT_ROOT} fields are allowed at the root of the schema if the status subresource is enabled");
            found.invalid(&path, raw.clone(), &detail);
        }
    }
    if schema.nullable {
        found.forbidden(&at.child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
    }
    let mut init = None;
    let mut asks_rules = false;
    if structural {
        if let Some(error) = structure::unsupported(&schema) {
            init = Some(error);
        } else {
            let mut broken = structure::validate(&schema, &path);
            if broken.is_empty() {
                defaults::validate(raw, &schema, checks.pruned_defaults, &path, &mut broken);
            }
            asks_rules = broken.is_empty();
            found.extend(broken);
        }
    }
    let mut walk = Walk { checks, total: 0, expensive: Vec::new() };
    let below = Below { defaults: None, inside_meta: false, old_self: None, cost: asks_rules.then_some(Some(1)) };
    let (schema_errors, rule_errors) = walk.node(&schema, raw, &path, &below, true);
    found.extend(schema_errors);
    found.extend(rule_errors);
    if let (true, Some(error)) = (found.is_empty(), init) {
        found.invalid(&path, "", &error);
    }
    if walk.total > ESTIMATE_LIMIT_CRD {
        for (path, _) in &walk.expensive {
            found.forbidden(path, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema");
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        found.forbidden(&path, &cost_message(what, walk.total, ESTIMATE_LIMIT_CRD));
    }
    errors.extend(found);
}

fn has_more_at_root(s: &Props) -> bool {
    let allowed = Props {
        ty: String::new(),
        format: String::new(),
        title: String::new(),
        description: String::new(),
        maximum: None,
        exclusive_maximum: false,
        minimum: None,
        exclusive_minimum: false,
        multiple_of: None,
        max_length: None,
        min_length: None,
        pattern: String::new(),
        max_items: None,
        min_items: None,
        unique_items: false,
        required: Vec::new(),
        items: None,
        items_list: Vec::new(),
        properties: Default::default(),
        preserve_unknown: None,
        rules: Vec::new(),
        documented: false,
        // Told by another check.
        nullable: false,
        ..s.clone()
    };
    allowed != Props::default()
}

/// What holds below a node.
#[derive(Clone)]
struct Below {
    /// Why there may be no defaults.
    defaults: Option<String>,
    inside_meta: bool,
    /// The first place above whose parts cannot be told to be the same in two states of an object.
    old_self: Option<Path>,
    /// How often the node can occur, when that is bounded; `None`: rules are not looked at.
    cost: Option<Option<u64>>,
}

impl Below {
    fn uncorrelated(&self, at: &Path) -> Self {
        Self { old_self: self.old_self.clone().or_else(|| Some(at.clone())), ..self.clone() }
    }
    /// The children of a node occur as often as it holds.
    fn times(mut self, parent: &Props) -> Self {
        let count = |n: Option<i64>| n.map(|n| u64::try_from(n).unwrap_or(0));
        let factor = match parent.ty.as_str() {
            "object" if parent.additional.is_some() => count(parent.max_properties),
            "array" => count(parent.max_items),
            _ => Some(1),
        };
        self.cost = self.cost.map(|cost| Some(cost?.saturating_mul(factor?)));
        self
    }
    fn without_rules(&self) -> Self {
        Self { cost: None, ..self.clone() }
    }
}

struct Walk {
    checks: Checks,
    total: u64,
    expensive: Vec<(Path, u64)>,
}

impl Walk {
    /// Errors of the schema, and errors of its rules.
    fn node(&mut self, s: &Props, raw: &Value, at: &Path, below: &Below, is_root: bool) -> (ErrorList, ErrorList) {
        let (mut errors, mut rule_errors) = (ErrorList::new(), ErrorList::new());
        self.plain(s, at, below, &mut errors);
        let mut take = |(found, of_rules): (ErrorList, ErrorList)| {
            errors.extend(found);
            rule_errors.extend(of_rules);
        };
        let empty = Value::Null;
        let part = |key: &str| raw.get(key).unwrap_or(&empty);
        if let Some(additional) = &s.additional {
            if !s.properties.is_empty() && !matches!(additional, Additional::Allowed(true)) {
                let mut exclusive = ErrorList::new();
                exclusive.forbidden(&at.child("additionalProperties"), "additionalProperties and properties are mutual exclusive");
                take((exclusive, ErrorList::new()));
            }
            if let Additional::Schema(schema) = additional {
                let mut below = below.clone().times(s);
                if below.inside_meta {
                    below.defaults = Some("inside additionalProperties applying to object metadata".to_owned());
                }
                take(self.node(schema, part("additionalProperties"), &at.child("additionalProperties"), &below, false));
            }
        }
        for (name, property) in &s.properties {
            let known = matches!(s.map_type.as_deref(), None | Some("granular" | "atomic"));
            let mut below = if known { below.clone() } else { below.uncorrelated(at) }.times(s);
            if (is_root || s.embedded) && META_FIELDS.contains(&name.as_str()) {
                below.inside_meta = true;
                if is_root {
                    below.defaults = Some(format!("in top-level {name}"));
                }
            }
            let raw = raw.get("properties").and_then(|p| p.get(name)).unwrap_or(&empty);
            take(self.node(property, raw, &at.child("properties").key(name), &below, false));
        }
        let without = below.without_rules();
        if let Some(not) = &s.not {
            take(self.node(not, part("not"), &at.child("not"), &without, false));
        }
        for (key, parts) in [("allOf", &s.all_of), ("oneOf", &s.one_of), ("anyOf", &s.any_of)] {
            for (index, schema) in parts.iter().enumerate() {
                take(self.node(schema, &empty, &at.child(key).index(index), &without, false));
            }
        }
        if let Some(items) = &s.items {
            let below = if s.is_map_list() { below.clone() } else { below.uncorrelated(at) };
            take(self.node(items, part("items"), &at.child("items"), &below.times(s), false));
        }
        self.kinds(s, at, &mut errors);
        if self.checks.map_keys {
            errors.extend(map_keys(s, at));
        }
        for (index, rule) in s.rules.iter().enumerate() {
            words(rule, s, &at.child("x-kubernetes-validations").index(index), &mut errors);
        }
        if let (false, true, Some(cardinality)) = (s.rules.is_empty(), errors.is_empty(), below.cost) {
            let old_self = below.old_self.as_ref();
            self.rules(s, raw, at, is_root || s.embedded, cardinality, old_self, &mut rule_errors);
        }
        (errors, rule_errors)
    }

    /// `specStandardValidatorV3`
    fn plain(&self, s: &Props, at: &Path, below: &Below, errors: &mut ErrorList) {
        if self.checks.types && !s.ty.is_empty() && !TYPES.contains(&s.ty.as_str()) {
            errors.not_supported(&at.child("type"), s.ty.as_str(), &TYPES);
        }
        if let (Some(reason), true) = (&below.defaults, s.default.is_some()) {
            errors.forbidden(&at.child("default"), &format!("must not be set {reason}"));
        }
        for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
            if s.refused.contains(&field) {
                errors.forbidden(&at.child(field), &format!("{field} is not supported"));
            }
        }
        if s.ty == "null" {
            errors.forbidden(&at.child("type"), "type cannot be set to null, use nullable as an alternative");
        }
        if !s.items_list.is_empty() {
            errors.forbidden(&at.child("items"), "items must be a schema object and not an array");
        }
        if below.inside_meta && s.embedded {
            errors.forbidden(&at.child("x-kubernetes-embedded-resource"), "must not be used inside of resource meta");
        }
        if s.unique_items {
            let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            errors.forbidden(&at.child("uniqueItems"), detail);
        }
    }

    /// Kinds of maps and lists.
    fn kinds(&self, s: &Props, at: &Path, errors: &mut ErrorList) {
        const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
        const MAP_TYPE: &str = "x-kubernetes-map-type";
        const LIST_TYPE: &str = "x-kubernetes-list-type";
        const KEYS: &str = "x-kubernetes-list-map-keys";
        if s.preserve_unknown == Some(false) {
            errors.invalid(&at.child(PRESERVE), false, "must be true or undefined");
        }
        let typed = |expect: &str, because: &str, errors: &mut ErrorList| {
            let detail = format!("must be {expect} if {because} is specified");
            match s.ty.as_str() {
                "" => errors.required(&at.child("type"), &detail),
                ty => errors.invalid(&at.child("type"), ty, &detail),
            }
        };
        if let Some(map_type) = &s.map_type {
            if s.ty != "object" {
                typed("object", MAP_TYPE, errors);
            }
            if !matches!(map_type.as_str(), "atomic" | "granular") {
                errors.not_supported(&at.child(MAP_TYPE), map_type.as_str(), &["atomic", "granular"]);
            }
        }
        let Some(list_type) = s.list_type.as_deref() else {
            if !s.list_map_keys.is_empty() {
                errors.required(&at.child(LIST_TYPE), &format!("must be map if {KEYS} is non-empty"));
            }
            return;
        };
        if s.ty != "array" {
            typed("array", LIST_TYPE, errors);
        } else if self.checks.atomic_sets && has_open_set(s) {
            let items = s.items.as_deref();
            let (field, value) = match items.map(|i| i.ty.as_str()) {
                Some("array") => (LIST_TYPE, items.and_then(|i| i.list_type.clone())),
                _ => (MAP_TYPE, items.and_then(|i| i.list_type.clone())),
            };
            let value = Value::from(value.unwrap_or_else(|| "null".to_owned()));
            errors.invalid(&at.child("items").child(field), value, "must be atomic as item of a list with x-kubernetes-list-type=set");
        }
        if !matches!(list_type, "atomic" | "set" | "map") {
            errors.not_supported(&at.child(LIST_TYPE), list_type, &["atomic", "set", "map"]);
        }
        if !s.list_map_keys.is_empty() && list_type != "map" {
            errors.invalid(&at.child(LIST_TYPE), list_type, &format!("must be map if {KEYS} is non-empty"));
        }
        if list_type != "map" {
            return;
        }
        if s.list_map_keys.is_empty() {
            errors.required(&at.child(KEYS), "must not be empty if x-kubernetes-list-type is map");
        }
        let items_at = at.child("items");
        let Some(items) = &s.items else {
            if s.items_list.is_empty() {
                errors.required(&items_at, "must have a schema if x-kubernetes-list-type is map");
            } else {
                errors.invalid_as_a_whole(&items_at, "must only have a single schema if x-kubernetes-list-type is map");
            }
            return;
        };
        if items.ty != "object" {
            errors.invalid(&items_at.child("type"), items.ty.as_str(), "must be object if parent array's x-kubernetes-list-type is map");
            return;
        }
        let keys = || Value::from(s.list_map_keys.clone());
        for (index, key) in s.list_map_keys.iter().enumerate() {
            match items.properties.get(key) {
                Some(p) if matches!(p.ty.as_str(), "array" | "object") => {
                    let at = items_at.child("properties").key(key).child("type");
                    errors.invalid(&at, items.ty.as_str(), "must be a scalar type if parent array's x-kubernetes-list-type is map");
                }
                Some(_) => {}
                None => errors.invalid(&at.child(KEYS), keys(), "entries must all be names of item properties"),
            }
            if s.list_map_keys.iter().take(index).any(|other| other == key) {
                errors.invalid(&at.child(KEYS), keys(), "must not contain duplicate entries");
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn rules(
        &mut self,
        s: &Props,
        raw: &Value,
        at: &Path,
        root: bool,
        cardinality: Option<u64>,
        old_self: Option<&Path>,
        errors: &mut ErrorList,
    ) {
        let list = at.child("x-kubernetes-validations");
        let (compiled, decl) = match rules::compile(raw, s, root) {
            Ok(done) => done,
            Err(error) => {
                let told = format!("internal error: failed to construct type information for x-kubernetes-validations rules: {error}");
                errors.internal(&list, &told);
                return;
            }
        };
        let occurs = cardinality.unwrap_or_else(|| decl.max_cardinality());
        for (index, rule) in compiled.iter().enumerate() {
            let given = || raw.get("x-kubernetes-validations").and_then(|r| r.get(index)).cloned().unwrap_or_default();
            self.rule(rule, given, occurs, old_self, &list.index(index), errors);
        }
    }

    fn rule(
        &mut self,
        rule: &Compiled,
        given: impl Fn() -> Value,
        occurs: u64,
        old_self: Option<&Path>,
        at: &Path,
        errors: &mut ErrorList,
    ) {
        let rule_at = at.child("rule");
        match &rule.program {
            None => {}
            Some(Err(error)) => errors.invalid(&rule_at, given(), error),
            Some(Ok(program)) => {
                let cost = program.estimate().max.saturating_mul(occurs);
                if !self.checks.suppress_cost && cost > ESTIMATE_LIMIT {
                    errors.forbidden(&rule_at, &cost_message("estimated rule cost", cost, ESTIMATE_LIMIT));
                }
                self.observe(&rule_at, cost);
            }
        }
        let message_at = at.child("messageExpression");
        match &rule.message {
            None => {}
            Some(Err(error)) => errors.invalid(&message_at, given(), error),
            Some(Ok(program)) => {
                let cost = program.estimate().max;
                if !self.checks.suppress_cost && cost > ESTIMATE_LIMIT {
                    errors.forbidden(&message_at, &cost_message("estimated messageExpression cost", cost, ESTIMATE_LIMIT));
                }
                self.observe(&message_at, cost);
            }
        }
        match (rule.uses_old_self, old_self, rule.rule.optional_old_self) {
            (true, Some(place), _) => {
                let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {place}");
                errors.invalid(&rule_at, rule.rule.rule.as_str(), &detail);
            }
            (false, _, Some(optional)) => {
                errors.invalid(&at.child("optionalOldSelf"), optional, "may not be set if oldSelf is not used in rule");
            }
            _ => {}
        }
    }

    fn observe(&mut self, at: &Path, cost: u64) {
        self.total = self.total.saturating_add(cost);
        if cost >= ESTIMATE_LIMIT_CRD / 100 {
            self.expensive.push((at.clone(), cost));
            self.expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.expensive.truncate(TOLD);
        }
    }
}

/// What a rule says beside its expression.
fn words(rule: &Rule, s: &Props, at: &Path, errors: &mut ErrorList) {
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let message = rule.message.trim();
    let message_at = at.child("message");
    if rule.rule.trim().is_empty() {
        errors.required(&at.child("rule"), "rule is not specified");
    } else if !rule.message.is_empty() && message.is_empty() {
        errors.invalid(&message_at, rule.message.as_str(), "must be non-empty if specified");
    } else if breaks(message) {
        errors.invalid(&message_at, rule.message.as_str(), "must not contain line breaks");
    } else if breaks(rule.rule.trim()) && message.is_empty() {
        errors.required(&message_at, "message must be specified if rule contains line breaks");
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        errors.required(&at.child("messageExpression"), "messageExpression must be non-empty if specified");
    }
    if let Some(reason) = rule.reason.as_deref().filter(|r| !REASONS.contains(r)) {
        errors.not_supported(&at.child("reason"), reason, &REASONS);
    }
    let path = rule.field_path.as_str();
    let path_at = at.child("fieldPath");
    if path.is_empty() {
        return;
    }
    if path.trim().is_empty() {
        errors.invalid(&path_at, path, "must be non-empty if specified");
    }
    if breaks(path) {
        errors.invalid(&path_at, path, "must not contain line breaks");
    }
    if structure::unsupported(s).is_none() && field_path::resolve(path, s, true).is_err() {
        errors.invalid(&path_at, path, "must be a valid path");
    }
}

/// `getCostErrorMessage`
#[allow(clippy::cast_precision_loss)]
fn cost_message(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where \
         arrays, maps, and strings are declared)"
    )
}
