//! WHIP (RFC 9725), as much as one offer needs: a POST over plain HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long the server may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Address<'a> {
    /// With its port.
    host: &'a str,
    path: &'a str,
}

impl<'a> Address<'a> {
    pub fn parse(text: &'a str) -> Result<Self, String> {
        match text.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
            Some((host, path)) if host.contains(':') => Ok(Address { host, path }),
            _ => Err(format!(
                "{text:?} is no address of a WHIP server such as http://127.0.0.1:8889/live/whip"
            )),
        }
    }

    pub fn is_loopback(&self) -> bool {
        self.host.starts_with("127.") || self.host.starts_with("localhost:")
    }

    /// Gives an offer, and returns the answer.
    pub fn post(&self, offer: &str) -> Result<String, Box<dyn std::error::Error>> {
        let Address { host, path } = self;
        let mut stream =
            TcpStream::connect(host).map_err(|error| format!("WHIP server {host}: {error}; is it there?"))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        write!(
            stream,
            "POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
            offer.len()
        )?;
        stream.write_all(offer.as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response
            .split_once("\r\n\r\n")
            .ok_or("the WHIP server has not answered in HTTP")?;
        match head.split(' ').nth(1) {
            Some("201") => Ok(body.to_owned()),
            _ => Err(format!("WHIP server {host}: {}", head.lines().next().unwrap_or_default()).into()),
        }
    }
}
