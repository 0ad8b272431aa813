//! A runner from start to stop: what the last one left is cleared away, then tasks are taken and run.

use std::fs;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exec::{End, Exec};
use super::jail::{Jail, find};
use super::journal::{Journal, Record};
use super::options::{Error, Options};
use super::push::push;
use super::rpc::{Queued, Server, router};
use super::tasks::Tasks;
use super::tree::sweep;
use super::workspace;
use crate::agents::a2a::TaskState;
use crate::agents::{Class, Failure, StepResult};

/// How long a runner that stops goes on telling who waits.
const LAST_PUSHES_TIMEOUT: Duration = Duration::from_secs(5);

/// A runner that listens.
pub struct Runner {
    listener: TcpListener,
    address: SocketAddr,
    server: Arc<Server>,
    exec: Arc<Exec>,
    queue: mpsc::UnboundedReceiver<Queued>,
    lost: Vec<Record>,
}

/// Serves until `shutdown`: then running commands are killed and their tasks end as crashed.
///
/// # Errors
/// Why it cannot start or go on.
pub async fn serve(options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    Runner::bind(options).await?.run(shutdown).await
}

impl Runner {
    /// Clears away what the last runner left, reads the journal, and listens.
    ///
    /// # Errors
    /// Why it cannot start.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        if options.bearer.is_none() && !options.bind.ip().is_loopback() {
            return Err(Error::OpenToAll(options.bind));
        }
        if find("git").is_none() {
            return Err(Error::Program("git"));
        }
        let jail = Jail::probe(options.sandbox).await?;
        tracing::info!(sandbox = jail.name(), "{}", jail.about());
        let wrong = |source| Error::Workdir { path: options.workdir.clone(), source };
        fs::create_dir_all(&options.workdir).map_err(wrong)?;
        let workdir = options.workdir.canonicalize().map_err(wrong)?;
        let (journal, records) = Journal::open(&workdir)?;
        let workspaces = workdir.join("work");
        let killed = sweep(&workspaces);
        if killed > 0 {
            tracing::warn!(killed, "processes of an earlier runner were still there and were killed");
        }
        workspace::remove(&workspaces).map_err(wrong)?;
        fs::create_dir_all(&workspaces).map_err(wrong)?;
        let max_concurrent = options.max_concurrent.max(1);
        let (tasks, lost) = Tasks::new(journal, records, max_concurrent, options.clock.clone()).map_err(wrong)?;
        let bad_bind = |source| Error::Bind { address: options.bind, source };
        let listener = TcpListener::bind(options.bind).await.map_err(bad_bind)?;
        let address = listener.local_addr().map_err(bad_bind)?;
        let (sender, queue) = mpsc::unbounded_channel();
        let server = Server {
            tasks: Arc::new(tasks),
            queue: sender,
            jail: jail.clone(),
            driver: options.driver.clone(),
            name: options.name.clone(),
            bearer: options.bearer,
            max_concurrent,
            clock: options.clock.clone(),
        };
        let Options { env, name, clock, driver, place, .. } = options;
        let exec = Exec { jail, workspaces, env, name, clock, driver, place };
        Ok(Self { listener, address, server: Arc::new(server), exec: Arc::new(exec), queue, lost })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of the sandbox that works here.
    #[must_use]
    pub fn sandbox(&self) -> &'static str {
        self.server.jail.name()
    }

    /// Serves until `shutdown`. Dropped in mid-work it takes every command along.
    ///
    /// # Errors
    /// When the server stops by itself.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), Error> {
        let slots = Arc::new(Semaphore::new(self.server.max_concurrent));
        let mut works = JoinSet::new();
        for record in self.lost {
            works.spawn(push(record));
        }
        let closing = shutdown.clone();
        let http = axum::serve(self.listener, router(Arc::clone(&self.server)));
        let http = async move { http.with_graceful_shutdown(closing.cancelled_owned()).await };
        tokio::pin!(http);
        let served = loop {
            tokio::select! {
                served = &mut http => break served.map_err(Error::Server),
                () = shutdown.cancelled() => break Ok(()),
                Some(queued) = self.queue.recv() => {
                    let (tasks, exec) = (Arc::clone(&self.server.tasks), Arc::clone(&self.exec));
                    works.spawn(work(tasks, exec, Arc::clone(&slots), queued));
                }
                Some(_) = works.join_next() => {}
            }
        };
        // Aborting kills the first process of each command, and with it its namespace; the sweep finds the rest.
        works.shutdown().await;
        sweep(&self.exec.workspaces);
        let tasks = Arc::clone(&self.server.tasks);
        match tokio::task::spawn_blocking(move || tasks.end_all("the runner was stopped; try again")).await {
            Ok(Ok(ended)) => {
                let pushes = futures_util::future::join_all(ended.into_iter().map(push));
                // Who is not told in time will ask.
                let _ = tokio::time::timeout(LAST_PUSHES_TIMEOUT, pushes).await;
            }
            Ok(Err(error)) => tracing::error!(%error, "the stop is not in the journal; the next start says it"),
            Err(error) => tracing::error!(%error, "the tasks could not be ended"),
        }
        served
    }
}

/// One task, from the queue to its end.
async fn work(tasks: Arc<Tasks>, exec: Arc<Exec>, slots: Arc<Semaphore>, queued: Queued) {
    let slot = tokio::select! {
        slot = slots.acquire_owned() => slot.ok(),
        () = queued.live.cancel.cancelled() => None,
    };
    let (state, result) = match slot {
        None => {
            let error = Failure::new(Class::Crash, "stopped on request before it began");
            (TaskState::Canceled, StepResult { error: Some(error), ..StepResult::default() })
        }
        Some(_slot) => run(&tasks, &exec, &queued).await,
    };
    let id = queued.id.clone();
    let ended = tokio::task::spawn_blocking(move || tasks.end(&id, state, result)).await;
    match ended {
        Ok(Ok(Some(record))) => push(record).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::error!(task = queued.id, %error, "the end of a task is not in the journal"),
        Err(error) => tracing::error!(task = queued.id, %error, "a task could not be ended"),
    }
}

async fn run(tasks: &Arc<Tasks>, exec: &Arc<Exec>, queued: &Queued) -> (TaskState, StepResult) {
    let (table, id) = (Arc::clone(tasks), queued.id.clone());
    match tokio::task::spawn_blocking(move || table.begin(&id)).await {
        Ok(Ok(())) => {}
        // The task is answered for already; without a line that it began it still ends.
        Ok(Err(error)) => tracing::error!(task = queued.id, %error, "the start of a task is not in the journal"),
        Err(error) => tracing::error!(task = queued.id, %error, "a task could not be begun"),
    }
    let end = AssertUnwindSafe(exec.run(&queued.id, &queued.attempt, &queued.step, &queued.live)).catch_unwind().await;
    match end {
        Ok(End::Completed(result)) => (TaskState::Completed, result),
        Ok(End::Failed(result)) => (TaskState::Failed, result),
        Ok(End::Canceled(result)) => (TaskState::Canceled, result),
        Err(_) => {
            let error = Failure::new(Class::Crash, "the runner itself broke while the task ran; see its log");
            (TaskState::Failed, StepResult { error: Some(error), ..StepResult::default() })
        }
    }
}
