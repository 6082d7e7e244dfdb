//! A caller who says whatever they like: the frames of the protocol, or anything else, byte by byte.

use std::path::Path;

use backstop_core::digest::Digest;
use backstop_vault::{
    Fault, Label, Stored,
    protocol::{Frame, Kind},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

pub struct Raw {
    pub stream: UnixStream,
    said: BytesMut,
}

impl Raw {
    pub async fn connect(path: &Path) -> Self {
        Self {
            stream: UnixStream::connect(path).await.unwrap(),
            said: BytesMut::new(),
        }
    }

    pub async fn say(&mut self, bytes: &[u8]) {
        // The vault may have hung up already; what it says is what counts.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn send(&mut self, kind: Kind, id: u32, payload: impl Into<Bytes>) {
        let mut out = BytesMut::new();
        let payload = payload.into();
        Frame { kind, id, payload }.write(&mut out);
        self.say(&out).await;
    }

    /// The vault's next frame; `None` when it hung up.
    pub async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.said).unwrap() {
                return Some(frame);
            }
            let read = tokio::time::timeout(
                std::time::Duration::from_secs(20),
                self.stream.read_buf(&mut self.said),
            );
            match read.await.expect("the vault says something or hangs up") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn fault(&mut self) -> Fault {
        let frame = self.hear().await.expect("a fault");
        assert_eq!(frame.kind, Kind::Fault, "{frame:?}");
        frame.read().unwrap()
    }

    pub async fn stored(&mut self) -> Stored {
        let frame = self.hear().await.expect("an answer");
        assert_eq!(
            frame.kind,
            Kind::Stored,
            "{}",
            String::from_utf8_lossy(&frame.payload)
        );
        frame.read().unwrap()
    }

    pub async fn put(&mut self, label: &Label, name: Digest, object: &[u8]) {
        let head = serde_json::to_vec(&backstop_vault::protocol::PutHead {
            label: label.clone(),
            name,
            plain: Digest([7; 32]),
        })
        .unwrap();
        let length = u16::try_from(head.len()).unwrap().to_be_bytes();
        self.send(Kind::Put, 9, [&length[..], &head, object].concat())
            .await;
    }
}
