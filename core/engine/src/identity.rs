//! What a transport has proven about a peer.

/// Where a peer's User Name comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserName {
    /// From CONNECT; hooks have to see whether it is true.
    #[default]
    OfConnect,
    /// From the certificate: its Common Name. What CONNECT says is not looked at, and who has
    /// none is refused.
    CommonName,
    /// From the certificate: its whole Subject, likewise.
    Subject,
}

/// What a transport has proven about a peer: who its certificate says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The certificate's Subject in the form of RFC 4514: `CN=ada,O=Example`.
    pub subject: Box<str>,
    /// The Common Name in it.
    pub common_name: Option<Box<str>>,
    /// The certificate in DER; empty if a proxy has seen it and told only the names.
    pub certificate: Box<[u8]>,
    /// Where the User Name comes from.
    pub user_name: UserName,
}

impl Identity {
    /// Whether the User Name is proven, so that no Password is needed.
    pub fn names_user(&self) -> bool {
        self.user_name != UserName::OfConnect
    }

    /// The User Name that is proven.
    pub fn proven(&self) -> Option<&str> {
        match self.user_name {
            UserName::OfConnect => None,
            UserName::CommonName => self.common_name.as_deref(),
            UserName::Subject => Some(&*self.subject).filter(|subject| !subject.is_empty()),
        }
    }
}
