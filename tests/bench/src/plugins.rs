//! Plugins: what a call of each costs by itself ([`calls`], [`nodes`]), and what they cost a server ([`admission`],
//! [`controllers`], [`update`], [`streams`]).

pub mod admission;
mod bed;
pub mod calls;
pub mod controllers;
mod load;
pub mod nodes;
pub mod streams;
mod twin;
pub mod update;
