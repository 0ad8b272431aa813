//! Every statement, compiled once for each dialect: `super` is [`mysql`](crate::store) or `sqlite`.
//!
//! *Invariant:* a statement is a constant; a test prepares each of them on both databases.
//! *Invariant:* lists go in powers of two up to 64, so that the number of prepared statements is bounded, and most lists
//! are one statement or two.

use super::{BEGIN_WRITE, Db, IS_MYSQL};
use crate::store::Error;

type Conn = <Db as sqlx::Database>::Connection;
type Row = <Db as sqlx::Database>::Row;
type Query<'q> = sqlx::query::Query<'q, Db, <Db as sqlx::Database>::Arguments>;

/// One wording for MySQL, one for SQLite.
const fn pick(mysql: &'static str, sqlite: &'static str) -> &'static str {
    if IS_MYSQL { mysql } else { sqlite }
}

/// A statement over lists of so many rows.
type Sizes = [&'static str; SIZES.len()];
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// Declares statements, and for the tests the list of them.
macro_rules! statements {
    ($($name:ident = $sql:expr;)* $(@sized { $($many:ident = $sizes:expr;)* })?) => {
        $(pub(super) const $name: &str = $sql;)*
        $($(pub(super) const $many: super::Sizes = $sizes;)*)?
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &[&str])] = &[
            $((stringify!($name), &[$name]),)*
            $($((stringify!($many), &$many),)*)?
        ];
    };
}

/// A literal so many times, with a separator between.
macro_rules! repeat {
    (1, $x:literal, $sep:literal) => {
        $x
    };
    (2, $x:literal, $sep:literal) => {
        concat!($x, $sep, $x)
    };
    (4, $x:literal, $sep:literal) => {
        concat!(repeat!(2, $x, $sep), $sep, repeat!(2, $x, $sep))
    };
    (8, $x:literal, $sep:literal) => {
        concat!(repeat!(4, $x, $sep), $sep, repeat!(4, $x, $sep))
    };
    (16, $x:literal, $sep:literal) => {
        concat!(repeat!(8, $x, $sep), $sep, repeat!(8, $x, $sep))
    };
    (32, $x:literal, $sep:literal) => {
        concat!(repeat!(16, $x, $sep), $sep, repeat!(16, $x, $sep))
    };
    (64, $x:literal, $sep:literal) => {
        concat!(repeat!(32, $x, $sep), $sep, repeat!(32, $x, $sep))
    };
}

/// `head row sep row … tail` in every size; the tail may differ by dialect.
macro_rules! sizes {
    ($head:literal, $row:literal, $sep:literal) => {
        sizes!($head, $row, $sep, "", "")
    };
    ($head:literal, $row:literal, $sep:literal, $my:literal, $lite:literal) => {
        sizes!(@each $head, $row, $sep, $my, $lite; 64, 32, 16, 8, 4, 2, 1)
    };
    (@each $head:literal, $row:literal, $sep:literal, $my:literal, $lite:literal; $($size:tt),*) => {
        [$(super::pick(
            concat!($head, repeat!($size, $row, $sep), $my),
            concat!($head, repeat!($size, $row, $sep), $lite),
        )),*]
    };
}

/// A statement with its values, in order.
macro_rules! sql {
    ($sql:expr $(, $value:expr)* $(,)?) => { sqlx::query::<super::Db>($sql)$(.bind($value))* };
}

pub(in crate::store) mod attempts;
pub(in crate::store) mod blobs;
pub(in crate::store) mod checks;
pub(in crate::store) mod doctor;
pub(in crate::store) mod door;
pub(in crate::store) mod effects;
pub(in crate::store) mod gates;
pub(in crate::store) mod guard;
pub(in crate::store) mod heads;
pub(in crate::store) mod inbox;
pub(in crate::store) mod installs;
pub(in crate::store) mod plans;
pub(in crate::store) mod prune;
pub(in crate::store) mod replicas;
pub(in crate::store) mod runs;
pub(in crate::store) mod schema;

/// Every statement by module and name.
#[cfg(test)]
pub(in crate::store) fn every() -> Vec<(&'static str, &'static str, &'static str)> {
    let modules = [
        ("attempts", attempts::ALL),
        ("blobs", blobs::ALL),
        ("checks", checks::ALL),
        ("door", door::ALL),
        ("effects", effects::ALL),
        ("gates", gates::ALL),
        ("guard", guard::ALL),
        ("heads", heads::ALL),
        ("inbox", inbox::ALL),
        ("installs", installs::ALL),
        ("plans", plans::ALL),
        ("prune", prune::ALL),
        ("replicas", replicas::ALL),
        ("runs", runs::ALL),
        ("schema", schema::ALL),
    ];
    let named =
        modules.into_iter().flat_map(|(module, all)| all.iter().map(move |(name, sizes)| (module, name, sizes)));
    named.flat_map(|(module, name, sizes)| sizes.iter().map(move |sql| (module, *name, *sql))).collect()
}

/// Begins a transaction that will write. As text: Oracle's MySQL does not prepare this statement.
pub(in crate::store) async fn begin(conn: &mut Conn) -> Result<(), Error> {
    sqlx::raw_sql(BEGIN_WRITE).execute(conn).await?;
    Ok(())
}

/// Ends a transaction well. An error here may mean that it did commit.
pub(in crate::store) async fn commit(conn: &mut Conn) -> Result<(), Error> {
    // As text: prepared, it would be two round trips.
    sqlx::raw_sql("COMMIT").execute(conn).await?;
    Ok(())
}

/// Runs a statement; how many rows it matched.
async fn run(conn: &mut Conn, query: Query<'_>) -> Result<u64, Error> {
    Ok(query.execute(conn).await?.rows_affected())
}

/// All rows of a statement that bounds itself.
async fn all(conn: &mut Conn, query: Query<'_>) -> Result<Vec<Row>, Error> {
    Ok(query.fetch_all(conn).await?)
}

/// The first row, if there is one.
async fn first(conn: &mut Conn, query: Query<'_>) -> Result<Option<Row>, Error> {
    Ok(query.fetch_optional(conn).await?)
}

/// Binds one row of a list. Not capturing, so that a statement's values are all in its rows.
type Bind<T> = for<'q> fn(Query<'q>, &'q T) -> Query<'q>;

/// Writes rows, as many as fit at a time; how many rows were matched.
async fn write_each<T: Sync>(conn: &mut Conn, sizes: &Sizes, rows: &[T], bind: Bind<T>) -> Result<u64, Error> {
    let mut matched = 0;
    let mut rest = rows;
    for (sql, size) in sizes.iter().zip(SIZES) {
        while rest.len() >= size {
            let (now, later) = rest.split_at(size);
            let query = now.iter().fold(sqlx::query(*sql), bind);
            matched += run(conn, query).await?;
            rest = later;
        }
    }
    Ok(matched)
}

/// Runs a statement whose rows are alternatives (`… OR …`): a last short list is filled up with its last key.
async fn read_each<T: Sync>(conn: &mut Conn, sizes: &Sizes, keys: &[T], bind: Bind<T>) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::with_capacity(keys.len());
    for now in keys.chunks(SIZES[0]) {
        rows.extend(all(conn, padded(sizes, now, bind)).await?);
    }
    Ok(rows)
}

/// The same for a statement that changes or deletes what its alternatives name.
async fn change_each<T: Sync>(conn: &mut Conn, sizes: &Sizes, keys: &[T], bind: Bind<T>) -> Result<u64, Error> {
    let mut matched = 0;
    for now in keys.chunks(SIZES[0]) {
        matched += run(conn, padded(sizes, now, bind)).await?;
    }
    Ok(matched)
}

fn padded<'q, T>(sizes: &Sizes, keys: &'q [T], bind: Bind<T>) -> Query<'q> {
    let fits = sizes.iter().zip(SIZES).rev().find(|(_, size)| *size >= keys.len());
    let (sql, size) = fits.unwrap_or((&sizes[0], SIZES[0]));
    let padding = keys.last().into_iter().cycle();
    keys.iter().chain(padding).take(size).fold(sqlx::query(*sql), bind)
}
