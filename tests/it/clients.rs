//! Clients other than kubectl: kube-rs, helm, and the official ones of Python and JavaScript.

mod helm;
mod kube_rs;
mod official;
