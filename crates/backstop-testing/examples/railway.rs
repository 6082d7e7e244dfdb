//! The double of Railway with a live database and a workspace, to try by hand:
//! `cargo run -p backstop-testing --example railway`. It is gone when its standard
//! input ends (Ctrl-D); then it says what is left and what it was asked.

use std::io;

use anyhow::{Context, Result};
use backstop_testing::postgres::PostgresServer;
use backstop_testing::railway::{RailwayDouble, Workspace};
use backstop_testing::rental;

fn main() -> Result<()> {
    let server = PostgresServer::start_any()?;
    rental::load(&server)?;
    let double = RailwayDouble::with_database(server)?;
    double.back_up()?;
    let workspace = Workspace::make(&double)?;
    let bundle = workspace.path().join("ca.pem");
    double.write_authority(&bundle)?;
    println!("# The token of the incident is in the workspace; ends with standard input");
    println!("URL=\"{}\"", double.url());
    println!("WORKSPACE=\"{}\"", workspace.path().display());
    println!("CURL_CA_BUNDLE=\"{}\"", bundle.display());
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    println!("# {:?}", double.left());
    for received in double.received() {
        println!(
            "# {:.3} s {} {} by {:?}",
            received.after.as_secs_f64(),
            received.operation,
            received.fields.join(", "),
            received.token
        );
    }
    Ok(())
}
