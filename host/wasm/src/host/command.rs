//! `wasi:cli` commands.

use super::outcome::Outcome;
use super::run::Run;
use super::surroundings::Surroundings;
use crate::ctx::State;
use wasmtime_wasi::p2::bindings::CommandPre;

/// Runs the command to its end. Dropping the future ends the guest at its next epoch or host call.
pub async fn run(run: &Run, command: CommandPre<State>, surroundings: &Surroundings) -> Outcome {
    let mut store = State::store(&run.meter, surroundings.wasi(), surroundings.network.clone(), None);
    store.data_mut().workload = surroundings.workload.clone();
    let guest = run.meter.run(async move {
        let instance = command.instantiate_async(&mut store).await?;
        instance.wasi_cli_run().call_run(&mut store).await
    });
    tokio::select! {
        biased;
        () = run.kill.cancelled() => Outcome::killed(""),
        () = run.stop.cancelled() => Outcome::stopped(),
        ended = guest => match ended {
            Ok(Ok(())) => Outcome::exited(0),
            Ok(Err(())) => Outcome::exited(1),
            Err(error) => Outcome::failed(&error),
        },
    }
}
