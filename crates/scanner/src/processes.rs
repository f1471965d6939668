//! The threads that keep worker processes and load their signatures.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use crate::config::{ScannerConfig, SignatureSource, StartError};
use crate::crew::{Crew, Job};
use crate::engine::Supply;
use crate::loader::Loader;
use crate::planned::PlannedLoader;
use crate::published::Published;
use crate::shared::Shared;
use crate::temp::RunFolder;

/// Worker processes, and signatures from a folder.
pub(crate) struct Processes {
    crew: Arc<Crew>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    crew: JoinHandle<()>,
    loader: JoinHandle<()>,
}

// === impl Processes ===

impl Processes {
    /// Starts both threads. The first load goes on after this returns.
    pub(crate) async fn start(
        config: ScannerConfig,
        shared: &Arc<Shared>,
        published: &Arc<Published>,
    ) -> Result<Arc<Self>, StartError> {
        // Files are looked at and made here.
        let preparation = tokio::task::spawn_blocking(move || {
            config.check()?;
            // While signatures are being swapped, the workers of two generations are busy.
            let workers = 2 * config.all_workers();
            let run = RunFolder::create(config.temp_dir.as_deref(), workers, config.temp_share)
                .map_err(|(path, error)| StartError::TempFolder { path, error })?;
            tracing::info!(folder = %run.path().display(), "Temporary files go here.");
            if let Err(shortage) = run.check_room() {
                tracing::error!("Nothing can be scanned: {shortage}.");
            }
            Ok::<_, StartError>((config, run))
        });
        let (config, run) =
            preparation.await.map_err(|_| StartError::Setting("the runtime is shutting down"))??;

        let (sender, jobs) = channel();
        let crew = Arc::new(Crew::new(config, shared.clone(), run, sender));
        let work: Box<dyn FnOnce() + Send> =
            if let SignatureSource::Planned(planned) = &crew.config.signatures {
                let loader = PlannedLoader::new(crew.clone(), published.clone(), planned.clone());
                Box::new(move || loader.run())
            } else {
                let loader = Loader::new(crew.clone(), published.clone())
                    .map_err(|error| StartError::TempFolder { path: crew.run.path().to_owned(), error })?;
                Box::new(move || loader.run())
            };
        let keeper = crew.clone();
        let crew_thread = thread::Builder::new()
            .name("icapstan-crew".to_owned())
            .spawn(move || keeper.keep(&jobs))
            .map_err(StartError::Thread)?;
        let loader_thread = thread::Builder::new().name("icapstan-loader".to_owned()).spawn(work);
        let loader_thread = match loader_thread {
            Ok(thread) => thread,
            Err(error) => {
                crew.send(Job::Stop);
                return Err(StartError::Thread(error));
            }
        };
        let threads = Threads { crew: crew_thread, loader: loader_thread };
        Ok(Arc::new(Self { crew, threads: Mutex::new(Some(threads)) }))
    }
}

impl Supply for Processes {
    fn reload(&self) {
        self.crew.wishes.reload();
    }

    fn trouble(&self) -> Option<String> {
        self.crew.run.check_room().err().map(|shortage| shortage.to_string())
    }

    fn begin_stop(&self) {
        self.crew.stop.store(true, Ordering::Relaxed);
        self.crew.send(Job::Stop);
        self.crew.wishes.stop();
    }

    fn join(&self) {
        let Some(threads) = self.threads.lock().take() else { return };
        // In this order: the processes end with the loader's thread at the latest.
        let _ = threads.crew.join();
        let _ = threads.loader.join();
        self.crew.run.clear();
    }
}
