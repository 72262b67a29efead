//! How many instances a component is made of, told from its bytes.
//!
//! A component may instantiate another twice, that one a third one twice, and so on: some hundred bytes become 2^n instances,
//! which the compiler lays out one by one before any limit of the running component applies. So they are counted first.

use wasmparser::{ComponentInstance, ComponentTypeRef, Parser, Payload};

/// Core modules and components that are instantiated. Compilers make 5 to 20 of one program; a JavaScript program whose imports were
/// composed away is taken for 3,659 by the upper bound below. What is beyond this keeps the compiler busy for seconds.
pub const INSTANCES: u64 = 20_000;

/// One component whose end was not yet seen.
#[derive(Default)]
struct Open {
    /// Of the largest component that it has defined so far, or can see in those around it.
    largest: u64,
    own: u64,
}

/// An upper bound of the instances that instantiating the component makes; each instantiated component is taken for the largest
/// that was defined before it, and one that imports a component, which could be any, for endless. `None`: the bytes cannot be read.
pub fn instances(bytes: &[u8]) -> Option<u64> {
    let mut open: Vec<Open> = Vec::new();
    let mut whole = None;
    let mut in_module = false;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::ModuleSection { .. } => in_module = true,
            Payload::ComponentSection { .. } => {}
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                let largest = open.last().map_or(0, |around| around.largest);
                open.push(Open { largest, own: 1 });
            }
            Payload::InstanceSection(section) => {
                let this = open.last_mut()?;
                this.own = this.own.saturating_add(section.count().into());
            }
            Payload::ComponentInstanceSection(section) => {
                let this = open.last_mut()?;
                for instance in section {
                    if matches!(instance.ok()?, ComponentInstance::Instantiate { .. }) {
                        this.own = this.own.saturating_add(this.largest.max(1));
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    if matches!(import.ok()?.ty, ComponentTypeRef::Component(_)) {
                        open.last_mut()?.own = u64::MAX;
                    }
                }
            }
            Payload::End(_) if in_module => in_module = false,
            Payload::End(_) => {
                let ended = open.pop()?;
                match open.last_mut() {
                    Some(around) => around.largest = around.largest.max(ended.own),
                    None => whole = Some(ended.own),
                }
            }
            _ => {}
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(instances(&wat::parse_str(text).unwrap()), expect, "{text}");
    }

    #[test]
    fn instances_are_counted_before_they_are_made() {
        check("(component)", Some(1));
        let two = "(core module $m) (core instance (instantiate $m)) (core instance (instantiate $m))";
        check(&format!("(component {two})"), Some(3));
        let inner = format!("(component $c {two})");
        check(&format!("(component {inner})"), Some(1));
        check(&format!("(component {inner} (instance (instantiate $c)) (instance (instantiate $c)))"), Some(7));
        // One that is defined outside of where it is used.
        check(
            &format!(
                "(component {inner} (component $d (alias outer 1 $c (component $e)) (instance (instantiate $e))) (instance (instantiate $d)))"
            ),
            Some(5),
        );
        let mut doubled = "(component $c0)".to_owned();
        for level in 1..=70 {
            doubled = format!("(component $c{level} {doubled} (instance (instantiate $c{0})) (instance (instantiate $c{0})))", level - 1);
        }
        check(&doubled, Some(u64::MAX));
        check("(component (import \"c\" (component $c)) (instance (instantiate $c)))", Some(u64::MAX));
        assert_eq!(instances(b"\0asm\x0d\0\x01\0nonsense"), None);
    }
}
