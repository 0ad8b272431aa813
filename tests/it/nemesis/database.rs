//! The database that the nemesis may kill: a MariaDB of its own, or servers that somebody else looks after.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pointsman::ids::random_bytes;
use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use url::Url;

use super::line::{Far, Line};
use super::size::said;
use pointsman::time::Clock;

/// Much longer than a server takes to come up.
const UP_WITHIN: Duration = Duration::from_secs(120);
const PROGRAMS: &str = "mariadbd is not there: run scripts/mariadb install";

pub struct Database {
    servers: Servers,
    /// Where the servers are; a replica takes the one of its number.
    fars: Vec<Far>,
    /// With the host and port of the line that leads there put in.
    url: Url,
    /// Our own way to it, by the first server.
    line: Line,
    pub pool: MySqlPool,
}

enum Servers {
    Own(Box<Own>),
    /// `NEMESIS_DATABASES`: addresses, one for each replica. `NEMESIS_DATABASE_COMMAND kill N` and `… start N` do to
    /// the Nth of them, from 0, what the words say; without it no server is killed.
    Given(Option<String>),
}

struct Own {
    folder: TempDir,
    child: Mutex<Option<Child>>,
}

impl Database {
    pub async fn start(clock: &Clock) -> Self {
        let (servers, fars, mut url) = match said("NEMESIS_DATABASES") {
            Some(urls) => {
                let urls: Vec<Url> = urls.split(',').map(|url| url.trim().parse().unwrap()).collect();
                let far = |url: &Url| Far::Tcp(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306)));
                let fars = urls.iter().map(far).collect();
                (Servers::Given(said("NEMESIS_DATABASE_COMMAND")), fars, urls[0].clone())
            }
            None => {
                let own = Own::install().await;
                own.start().await;
                let far = Far::Unix(own.socket());
                (Servers::Own(Box::new(own)), vec![far], Url::parse("mysql://nemesis:nemesis@localhost/").unwrap())
            }
        };
        let line = Line::to(fars[0].clone(), clock.clone()).await;
        url.set_path("");
        let name = format!("nemesis_{}", hex::encode(random_bytes::<6>()));
        let server = address(&url, line.port);
        let pool = MySqlPool::connect(server.as_str()).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
        pool.close().await;
        url.set_path(&name);
        let pool = MySqlPoolOptions::new().max_connections(4).acquire_timeout(UP_WITHIN);
        let pool = pool.connect_lazy(address(&url, line.port).as_str()).unwrap();
        Self { servers, fars, url, line, pool }
    }

    /// Where the server of a replica is.
    pub fn far(&self, replica: usize) -> Far {
        self.fars[replica % self.fars.len()].clone()
    }

    /// How a replica reaches it by this line.
    pub fn address(&self, line: &Line) -> String {
        address(&self.url, line.port).to_string()
    }

    /// How we reach it ourselves.
    pub fn direct(&self) -> String {
        self.address(&self.line)
    }

    /// Whether servers can be killed.
    pub fn may_die(&self) -> bool {
        !matches!(self.servers, Servers::Given(None))
    }

    /// `kill -9`; it is up again when this returns.
    pub async fn die_and_return(&self, which: usize, after: Duration) {
        match &self.servers {
            Servers::Own(own) => {
                own.kill().await;
                tokio::time::sleep(after).await;
                own.start().await;
            }
            Servers::Given(Some(command)) => {
                let which = which % self.fars.len();
                run(command, "kill", which).await;
                tokio::time::sleep(after).await;
                run(command, "start", which).await;
            }
            Servers::Given(None) => {}
        }
    }

    /// Starts it, if it was left dead.
    pub async fn revive(&self) {
        if let Servers::Own(own) = &self.servers {
            let dead = own.child.lock().await.is_none();
            if dead {
                own.start().await;
            }
        }
    }

    /// `KILL CONNECTION` for everybody but us; how many there were.
    pub async fn kill_connections(&self) -> usize {
        let name = self.url.path().trim_start_matches('/').to_owned();
        let all =
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()";
        let ids: Vec<i64> = sqlx::query_scalar(all).bind(name).fetch_all(&self.pool).await.unwrap_or_default();
        let mut killed = 0;
        for id in ids {
            let kill = AssertSqlSafe(format!("KILL CONNECTION {id}"));
            killed += usize::from(sqlx::query(kill).execute(&self.pool).await.is_ok());
        }
        killed
    }

    /// Ends what this began.
    pub async fn end(&self) {
        let drop = format!("DROP DATABASE {}", self.url.path().trim_start_matches('/'));
        let _ = sqlx::query(AssertSqlSafe(drop)).execute(&self.pool).await;
        self.pool.close().await;
    }
}

fn address(url: &Url, port: u16) -> Url {
    let mut url = url.clone();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    url
}

async fn run(command: &str, what: &str, which: usize) {
    let line = format!("{command} {what} {which}");
    let ended = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).status().await.unwrap();
    assert!(ended.success(), "{line}: {ended}");
}

/// A program that may stand where only root looks.
fn program(name: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file()).expect(PROGRAMS)
}

impl Own {
    async fn install() -> Self {
        let folder = tempfile::Builder::new().prefix("nemesis-").tempdir().unwrap();
        let own = Self { folder, child: Mutex::default() };
        std::fs::create_dir(own.path("tmp")).unwrap();
        let init = "CREATE USER IF NOT EXISTS 'nemesis'@'%' IDENTIFIED BY 'nemesis';
            GRANT ALL PRIVILEGES ON *.* TO 'nemesis'@'%' WITH GRANT OPTION;";
        std::fs::write(own.path("init.sql"), init.lines().map(str::trim).collect::<Vec<_>>().join("\n")).unwrap();
        let mut install = Command::new(program("mariadb-install-db"));
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        install.arg(own.user()).arg(own.option("datadir", "data"));
        let done = install.output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    fn option(&self, option: &str, name: &str) -> String {
        format!("--{option}={}", self.path(name).display())
    }

    /// It refuses to run as root unless it is told to.
    fn user(&self) -> String {
        use std::os::unix::fs::MetadataExt as _;
        let root = std::fs::metadata(self.folder.path()).unwrap().uid() == 0;
        // Whoever is not root is himself in any case.
        if root { "--user=root".to_owned() } else { "--skip-external-locking".to_owned() }
    }

    /// Nobody reaches it but through its socket, so no port is taken. Returns as soon as it answers.
    async fn start(&self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = Command::new(program("mariadbd"));
        command.args(["--no-defaults", "--skip-networking", "--innodb-flush-log-at-trx-commit=1"]);
        command.args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--max-connections=400"]);
        command.args(["--max-allowed-packet=64M", "--skip-name-resolve"]);
        command.arg(self.user()).arg(self.option("datadir", "data")).arg(self.option("tmpdir", "tmp"));
        command.arg(self.option("socket", "sock")).arg(self.option("pid-file", "pid"));
        command.arg(self.option("init-file", "init.sql"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap();
        *self.child.lock().await = Some(child);
        let socket = self.socket();
        let up = async {
            while UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let up = tokio::time::timeout(UP_WITHIN, up).await;
        assert!(up.is_ok(), "the database does not come up:\n{}", read(&self.path("log")));
    }

    async fn kill(&self) {
        let Some(mut child) = self.child.lock().await.take() else { return };
        child.start_kill().unwrap();
        let ended = child.wait().await.unwrap();
        assert_eq!(ended.signal(), Some(9), "the database ended by itself:\n{}", read(&self.path("log")));
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
