//! A plugin from outside the scheduler, as a row like any other: what it answers about nodes is checked here.

use super::{Cx, MAX_SCORE, Plugin};
use crate::diagnosis::Diagnosis;
use crate::event::Events;
use async_trait::async_trait;
use interfaces::schedule::{PluginError, Points, Refusal, SchedulePlugin};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Foreign {
    pub(super) plugin: Arc<dyn SchedulePlugin>,
    pub(super) points: Points,
}

impl Foreign {
    fn failed(&self, cause: String) -> PluginError {
        PluginError::Failed { plugin: self.plugin.name().to_owned(), cause }
    }
}

#[async_trait]
impl Plugin for Foreign {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        let refusals = self.plugin.filter(cx.pod.view(), cx.table, candidates).await?;
        if refusals.is_empty() {
            return Ok(());
        }
        // As a rule they come in the order of the candidates.
        let (mut gone, mut rest) = (Vec::with_capacity(refusals.len()), refusals.iter().peekable());
        candidates.retain(|node| {
            let refusal = rest.next_if(|refusal| refusal.node == *node);
            gone.extend(refusal);
            refusal.is_none()
        });
        let mut others: HashMap<u32, &Refusal> = rest.map(|refusal| (refusal.node, refusal)).collect();
        if !others.is_empty() {
            candidates.retain(|node| {
                let refusal = others.remove(node);
                gone.extend(refusal);
                refusal.is_none()
            });
        }
        refused.refuse_each(gone);
        if let Some(node) = others.keys().next() {
            tracing::warn!(plugin = self.name(), node, "a node was refused that was no candidate");
        }
        Ok(())
    }

    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let mut told = self.plugin.score(cx.pod.view(), cx.table, candidates).await?;
        if told.is_empty() {
            return Ok(());
        }
        if self.points.has(Points::SCORE_NORMALIZE) && told.len() == candidates.len() {
            told = self.plugin.normalize(cx.pod.view(), cx.table, candidates, told).await?;
        }
        if told.len() != candidates.len() {
            return Err(self.failed(format!("{} scores for {} nodes", told.len(), candidates.len())));
        }
        if let Some(beyond) = told.iter().find(|s| !(0..=MAX_SCORE).contains(*s)) {
            return Err(self.failed(format!("score {beyond} is not within 0 and {MAX_SCORE}")));
        }
        scores.extend(told);
        Ok(())
    }

    fn events(&self) -> Events {
        if self.points.has(Points::REQUEUE) { self.plugin.events() } else { Events::ALL }
    }
}
