//! The wire side: questions in, records out, other names forwarded.

use super::records::{Answer, Zone};
use hickory_proto::op::{Edns, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use std::net::IpAddr;
use std::str::FromStr;

/// Seconds an answer may be kept, as CoreDNS' Kubernetes plugin sets it.
const TTL: u32 = 5;

pub(super) struct Handler {
    zone: Zone,
    /// The node's resolvers; `None` when it has none.
    upstream: Option<TokioResolver>,
}

/// A finished answer.
struct Reply {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    soa: Vec<Record>,
}

impl Handler {
    pub(super) fn new(zone: Zone) -> Self {
        let upstream = TokioResolver::builder_tokio().and_then(|b| b.build());
        if let Err(error) = &upstream {
            tracing::info!(%error, "no resolvers of the node's own: only cluster names are answered");
        }
        Self { zone, upstream: upstream.ok() }
    }

    async fn answer(&self, name: &Name, kind: RecordType) -> Reply {
        if !self.zone.is_ready() {
            return Reply::failed(ResponseCode::ServFail);
        }
        let asked = name.to_ascii();
        let records = |data: Vec<RData>| data.into_iter().map(|d| Record::from_rdata(name.clone(), TTL, d)).collect();
        match self.zone.ask(&asked) {
            Answer::Elsewhere => self.forward(name, kind).await,
            Answer::NoSuchName => self.own(ResponseCode::NXDomain, Vec::new()),
            Answer::Addresses(all) => {
                let fits = |a: &IpAddr| match a {
                    IpAddr::V4(v4) if kind == RecordType::A || kind == RecordType::ANY => Some(RData::A(A(*v4))),
                    IpAddr::V6(v6) if kind == RecordType::AAAA || kind == RecordType::ANY => Some(RData::AAAA(AAAA(*v6))),
                    _ => None,
                };
                self.own(ResponseCode::NoError, records(all.iter().filter_map(fits).collect()))
            }
            Answer::Services(all) if kind == RecordType::SRV => {
                // Equal weights that add up to about a hundred, as CoreDNS gives them.
                let weight = u16::try_from(100 / all.len().max(1)).unwrap_or(1);
                let srv = |(port, target): &(u16, String)| Some(RData::SRV(SRV::new(0, weight, *port, Name::from_str(target).ok()?)));
                self.own(ResponseCode::NoError, records(all.iter().filter_map(srv).collect()))
            }
            Answer::Names(all) if kind == RecordType::PTR => {
                let ptr = |target: &String| Some(RData::PTR(PTR(Name::from_str(target).ok()?)));
                self.own(ResponseCode::NoError, records(all.iter().filter_map(ptr).collect()))
            }
            Answer::Text(text) if kind == RecordType::TXT => {
                self.own(ResponseCode::NoError, records(vec![RData::TXT(TXT::new(vec![text]))]))
            }
            Answer::Alias(target) => match Name::from_str(&target) {
                Ok(target) => {
                    let mut answers: Vec<Record> = records(vec![RData::CNAME(CNAME(target.clone()))]);
                    if kind != RecordType::CNAME {
                        answers.extend(Box::pin(self.answer(&target, kind)).await.answers);
                    }
                    self.own(ResponseCode::NoError, answers)
                }
                Err(_) => Reply::failed(ResponseCode::ServFail),
            },
            Answer::Services(_) | Answer::Names(_) | Answer::Text(_) => self.own(ResponseCode::NoError, Vec::new()),
        }
    }

    /// An answer of our own zone; without records it carries the SOA, so that it can be kept.
    fn own(&self, code: ResponseCode, answers: Vec<Record>) -> Reply {
        let mut soa = Vec::new();
        if answers.is_empty() {
            let domain = self.zone.domain();
            let names = [format!("{domain}."), format!("ns.dns.{domain}."), format!("hostmaster.{domain}.")];
            if let [Ok(zone), Ok(server), Ok(contact)] = names.map(|n| Name::from_str(&n)) {
                let data = SOA::new(server, contact, 1, 7200, 1800, 86400, TTL);
                soa.push(Record::from_rdata(zone, TTL, RData::SOA(data)));
            }
        }
        Reply { code, authoritative: true, answers, soa }
    }

    async fn forward(&self, name: &Name, kind: RecordType) -> Reply {
        let Some(upstream) = &self.upstream else { return Reply::failed(ResponseCode::Refused) };
        match upstream.lookup(name.clone(), kind).await {
            Ok(found) => Reply { code: ResponseCode::NoError, authoritative: false, answers: found.answers().to_vec(), soa: Vec::new() },
            Err(error) if error.is_nx_domain() => Reply::failed(ResponseCode::NXDomain),
            Err(error) if error.is_no_records_found() => Reply::failed(ResponseCode::NoError),
            Err(_) => Reply::failed(ResponseCode::ServFail),
        }
    }
}

impl Reply {
    fn failed(code: ResponseCode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), soa: Vec::new() }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response_handle: R) -> ResponseInfo {
        let reply = match request.request_info() {
            Ok(info) => self.answer(&Name::from(info.query.name()), info.query.query_type()).await,
            Err(_) => Reply::failed(ResponseCode::FormErr),
        };
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.authoritative;
        metadata.recursion_available = true;
        let mut edns = Edns::new();
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(asked) = &request.edns {
            edns.set_max_payload(asked.max_payload().max(512));
            builder.edns(&edns);
        }
        let response = builder.build(metadata, &reply.answers, &[], &reply.soa, &[]);
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a DNS answer was not sent");
                let mut failed = Metadata::response_from_request(&request.metadata);
                failed.response_code = ResponseCode::ServFail;
                hickory_proto::op::Header { metadata: failed, counts: Default::default() }.into()
            }
        }
    }
}
