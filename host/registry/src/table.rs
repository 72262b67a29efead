//! All built-in rows. A new kind is one row in its group's file; a new group is one file and one line here.

use crate::kind::Kind;
use crate::kinds;

pub(crate) fn rows() -> Vec<Kind> {
    let groups: &[fn() -> Vec<Kind>] = &[
        kinds::core::rows,
        kinds::admissionregistration::rows,
        kinds::apiextensions::rows,
        kinds::apiregistration::rows,
        kinds::apps::rows,
        kinds::authentication::rows,
        kinds::authorization::rows,
        kinds::autoscaling::rows,
        kinds::batch::rows,
        kinds::certificates::rows,
        kinds::coordination::rows,
        kinds::coracle::rows,
        kinds::policy_group::rows,
        kinds::discovery::rows,
        kinds::flowcontrol::rows,
        kinds::metrics::rows,
        kinds::events::rows,
        kinds::networking::rows,
        kinds::node::rows,
        kinds::policy::rows,
        kinds::rbac::rows,
        kinds::resource::rows,
        kinds::scheduling::rows,
        kinds::storage::rows,
        kinds::storagemigration::rows,
    ];
    groups.iter().flat_map(|rows| rows()).collect()
}
