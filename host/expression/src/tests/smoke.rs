use crate::*;

#[test]
fn a_rule_over_data() {
    let schema = object::json!({"type": "object", "properties": {
        "replicas": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}}});
    let decl = Decl::from_openapi(&schema, false, "self").unwrap();
    let declarations = Declarations::new().variable("self", decl);
    let program = Environment::kubernetes()
        .compile("self.replicas > 2 && self.names.all(n, n.startsWith('a'))", &declarations, &Expected::BOOL)
        .unwrap_or_else(|e| panic!("{e}"));
    let data = object::json!({"replicas": 3, "names": ["a", "ab"]});
    let mut budget = Budget::new(OBJECT_BUDGET);
    let out = program.evaluate(&Bindings::new().json("self", &data), &mut budget);
    assert_eq!(out.unwrap().as_bool(), Some(true));
    assert!(program.uses("self"));
}
