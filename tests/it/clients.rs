//! Clients other than kubectl: kube-rs and helm.

mod helm;
mod kube_rs;
