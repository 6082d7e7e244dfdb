//! A throwaway server with the rental company's data, to work against by hand:
//! `cargo run -p backstop-testing --example server [MAJOR]`. It is gone when its
//! standard input ends (Ctrl-D).

use std::env;
use std::io;

use anyhow::{Context, Result};
use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::rental;

fn main() -> Result<()> {
    let major = match env::args().nth(1) {
        Some(number) => Major::ALL
            .into_iter()
            .find(|major| major.number().to_string() == number)
            .with_context(|| {
                format!("`{number}` is no supported version; hint: 15, 16, 17 or 18")
            })?,
        None => Major::any()?,
    };
    let server = PostgresServer::start(major)?;
    rental::load(&server)?;
    let client = rental::make_client(&server, "client", "throwaway-client")?;
    println!("# {major}; ends with standard input");
    println!("SUPERUSER=\"{}\"", server.superuser().dsn());
    println!("OWNER=\"{}\"", server.owner().dsn());
    println!("DSN=\"{}\"", client.dsn());
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    Ok(())
}
