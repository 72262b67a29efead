//! Group batch, v1: `pkg/registry/batch`.

use super::row;
use crate::columns::{batch, workload};
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![jobs(), cron_jobs()]
}

fn of_group(kind: &str, resource: &str) -> Kind {
    Kind { schema: format!("io.k8s.api.batch.v1.{kind}"), ..row("batch", "v1", kind, resource) }
}

fn jobs() -> Kind {
    of_group("Job", "jobs")
        .in_all()
        .generation()
        .status()
        .select("status.successful", "0")
        .name_column()
        .show("Status", "string", "State of the job by its conditions.", batch::job_status)
        .show("Completions", "string", "Succeeded pods of wanted pods.", batch::job_completions)
        .show("Duration", "string", "Time from start to completion.", batch::job_duration)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", workload::containers)
        .wide("Images", "string", "Images of the template's containers.", workload::images)
        .wide("Selector", "string", "Labels of the pods.", workload::selector)
        .sample(
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"sample"},"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}

fn cron_jobs() -> Kind {
    of_group("CronJob", "cronjobs")
        .short(&["cj"])
        .in_all()
        .generation()
        .status()
        .name_column()
        .show("Schedule", "string", "When jobs are started, in cron form.", batch::schedule)
        .show("Timezone", "string", "Time zone of the schedule.", batch::time_zone)
        .show("Suspend", "boolean", "Whether no further jobs are started.", batch::suspend)
        .show("Active", "integer", "Jobs that run.", batch::active)
        .show("Last Schedule", "string", "Time since a job was last started.", batch::last_schedule)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", batch::cron_containers)
        .wide("Images", "string", "Images of the template's containers.", batch::cron_images)
        .wide("Selector", "string", "Labels of the pods.", batch::cron_selector)
        .sample(
            r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"sample"},"spec":{"schedule":"0 0 * * *","suspend":true,"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"OnFailure","containers":[{"name":"c","image":"example.test/app:1"}]}}}}}}"#,
        )
}
