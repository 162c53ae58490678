//! Making and ending sessions over REST, and the switch of an app (protocol, section 9).

use std::rc::Rc;

use serde_json::json;

use super::accounts::Session;
use super::core::Core;
use super::post::Envelope;
use super::rest::{Ask, Errand, SignIn, done, found, refused};
use super::subscribers::new_token;
use crate::protocol::{CloseCode, EventBody, Line};
use crate::transport::HttpResponse;

/// Sessions of one account. The oldest ends when another one comes.
const MAX_SESSIONS: usize = 16;

impl Core {
    /// Does what was asked for over REST, and answers.
    pub(super) fn rest(&mut self, ask: Ask) -> HttpResponse {
        match ask {
            Ask::Health => found(&json!({ "status": "ok" })),
            Ask::SystemInfo => found(&json!({
                "core": { "version": env!("CARGO_PKG_VERSION") },
                "adapter": { "name": "wtsp-load", "version": env!("CARGO_PKG_VERSION"), "supported": ["passwordSignin"] },
            })),
            Ask::SignIn(asked) => {
                let response = self.sign_in(asked);
                let sessions = &mut self.truth.sessions;
                *if response.status == 200 { &mut sessions.created } else { &mut sessions.refused } += 1;
                response
            }
            Ask::WithSession(None, _) => {
                refused(401, "authorization_header_missing", "an Authorization header belongs here")
            }
            Ask::WithSession(Some(token), errand) => match self.accounts.by_token(&token) {
                None => refused(401, "token_invalid", "the token stands for no session"),
                Some(account) => self.run_errand(&token, account, errand),
            },
        }
    }

    /// Makes a session. One installation has one session: an older one of the same identifier ends.
    fn sign_in(&mut self, asked: Option<SignIn>) -> HttpResponse {
        let Some(SignIn { identifier, login, password, tenant, .. }) = asked else {
            return refused(422, "validation_error", "type, identifier, login and password belong here");
        };
        let Some(account) = self.accounts.by_password(&login, &password) else {
            return refused(401, "incorrect_credentials", "there is no such login with this password");
        };
        let Ok(token) = new_token() else {
            return refused(500, "external_api_issue", "the system has no randomness to give");
        };
        let sessions = &self.accounts.get(account).sessions;
        let same = sessions.iter().find(|session| *session.identifier == *identifier);
        let oldest = sessions.first().filter(|_| sessions.len() >= MAX_SESSIONS);
        if let Some(ended) = same.or(oldest).map(|session| Rc::clone(&session.token)) {
            self.end_session(&ended);
        }
        let session = Session { token: Rc::from(token.as_str()), identifier: identifier.into() };
        self.accounts.add_session(account, session);
        found(&json!({ "token": token, "user_id": login, "tenant_id": tenant }))
    }

    /// Ends a session: its token is worth nothing, and a connection that came with it is closed with 4201.
    fn end_session(&mut self, token: &str) {
        let Some(account) = self.accounts.remove_session(token) else { return };
        let owner = self.accounts.get(account);
        if let Some(id) = owner.connection.filter(|_| owner.attached_with.as_deref() == Some(token)) {
            self.close(id, CloseCode::SessionMissedError, "session missed");
        }
    }

    fn run_errand(&mut self, token: &str, account: u32, errand: Errand) -> HttpResponse {
        match errand {
            Errand::SignOut => {
                self.end_session(token);
                self.truth.sessions.deleted += 1;
                done()
            }
            Errand::User => {
                let number = &*self.accounts.get(account).number;
                found(&json!({
                    "status": "active",
                    "numbers": { "main": number, "ext": number, "additional": [], "sms": [] },
                }))
            }
            Errand::Status => found(&json!({ "register": self.accounts.get(account).is_switched_on })),
            Errand::Switch(None) => refused(422, "validation_error", "register, true or false, belongs here"),
            Errand::Switch(Some(on)) => {
                self.accounts.get_mut(account).is_switched_on = on;
                if !on {
                    self.unregister(account);
                }
                done()
            }
        }
    }

    /// Ends the registration of an app that was switched off, and its connection with 4302.
    fn unregister(&mut self, account: u32) {
        let owner = self.accounts.get_mut(account);
        owner.is_registered = false;
        let Some(id) = owner.connection else { return };
        for event in [EventBody::Unregistering, EventBody::Unregistered] {
            let envelope =
                Envelope { account, line: Line::Absent, call_id: None, transaction: None, due: self.now };
            self.post(envelope, event);
        }
        self.close(id, CloseCode::AppUnregisteredError, "app unregistered");
    }
}
