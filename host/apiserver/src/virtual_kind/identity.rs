//! Questions about identities: TokenReview and SelfSubjectReview (`pkg/registry/authentication`).

use super::review::{Review, strings, user_value};
use crate::call::{Call, Response, Target};
use crate::subresource::Handler;
use async_trait::async_trait;
use object::{StatusError, json};

pub struct TokenReview;
pub struct SelfSubjectReview;

#[async_trait]
impl Handler for TokenReview {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let review = Review::read(call, target)?;
        let token = review.object.str_at(&["spec", "token"]).to_owned();
        if !review.object.namespace().is_empty() {
            let told = format!("namespace is not allowed on this type: {}", review.object.namespace());
            return Err(StatusError::bad_request(told));
        }
        if token.is_empty() {
            return Err(StatusError::bad_request("token is required for TokenReview in authentication"));
        }
        let wanted = strings(review.object.at(&["spec", "audiences"]));
        let status = match &call.shared.config.tokens {
            Some(tokens) => match tokens.authenticate(&call.shared, &token, &wanted).await {
                Ok(known) => json!({ "authenticated": true, "user": user_value(&known.user), "audiences": known.audiences }),
                Err(cause) => json!({ "user": {}, "error": format!("[invalid bearer token, {cause}]") }),
            },
            None => json!({ "user": {} }),
        };
        review.answer(status).await
    }
}

#[async_trait]
impl Handler for SelfSubjectReview {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let mut review = Review::read(call, target)?;
        review.object.set_at(&["metadata", "creationTimestamp"], json!(object::time::now()));
        review.answer(json!({ "userInfo": user_value(&call.user) })).await
    }
}
