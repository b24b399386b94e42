//! Where somebody is signed in, and an end to it.

use chrono::Utc;
use contracts::ids::{SessionId, UserId};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::session::EndReason;
use crate::entities::{session, user};
use crate::routes::sessions::{ListSessions, Session};
use crate::service::Service;
use crate::service::sessions::{end_session, end_sessions, person, session_id};

impl Service {
    pub(crate) async fn my_sessions(
        &self,
        ctx: &Ctx,
        query: ListSessions,
    ) -> Result<Page<Session>> {
        let id = person(self.db.read(), ctx).await?.id;
        self.sessions_of(ctx, id, query).await
    }

    pub(crate) async fn sessions_of(
        &self,
        ctx: &Ctx,
        id: UserId,
        query: ListSessions,
    ) -> Result<Page<Session>> {
        let user = user::Entity::find_by_id(id).one(self.db.read()).await?;
        user.ok_or_else(|| kernel::Error::not_found("user", id))?;
        let select = session::Entity::find()
            .filter(session::Column::UserId.eq(id))
            .filter(session::Column::EndedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(Utc::now()));
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &session::Model| row.id.uuid();
        let key = session::Column::Id;
        let page = fetch(self.db.read(), select, key, id_of, "sessions", &request).await?;
        let current = ctx.session_id.map(SessionId::from_uuid);
        Ok(page.map(|row| Session {
            id: row.id,
            is_current: Some(row.id) == current,
            address: row.address,
            device: row.device,
            last_used_at: row.last_used_at,
            authenticated_at: row.authenticated_at,
            second_factor_at: row.second_factor_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
        }))
    }

    pub(crate) async fn revoke_my_sessions(&self, ctx: &Ctx) -> Result<Reply> {
        let id = person(self.db.read(), ctx).await?.id;
        self.revoke_all(ctx, id, Some(session_id(ctx)?)).await
    }

    pub(crate) async fn revoke_my_session(&self, ctx: &Ctx, id: SessionId) -> Result<Reply> {
        let user_id = person(self.db.read(), ctx).await?.id;
        self.revoke_session(ctx, user_id, id).await
    }

    pub(crate) async fn revoke_sessions_of(&self, ctx: &Ctx, id: UserId) -> Result<Reply> {
        self.revoke_all(ctx, id, None).await
    }

    /// Ends one session; one that has ended already is no error.
    pub(crate) async fn revoke_session(
        &self,
        ctx: &Ctx,
        user_id: UserId,
        id: SessionId,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<session::Entity>(id).await?;
        // One of somebody else is none here.
        let session = found
            .filter(|session| session.user_id == user_id)
            .ok_or_else(|| kernel::Error::not_found("session", id))?;
        if session.ended_at.is_none() {
            end_session(&mut tx, session, EndReason::SignedOut).await?;
        }
        let reply = tx.reply(Reply::no_content()).await?;
        self.tell_ended().await;
        Ok(reply)
    }

    async fn revoke_all(&self, ctx: &Ctx, id: UserId, except: Option<SessionId>) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let user = tx.lock::<user::Entity>(id).await?;
        user.ok_or_else(|| kernel::Error::not_found("user", id))?;
        let live = session::Entity::find()
            .filter(session::Column::UserId.eq(id))
            .filter(session::Column::EndedAt.is_null());
        for session in live.all(&*tx).await?.into_iter().filter(|live| Some(live.id) != except) {
            tx.audit("session", session.id.uuid(), Some(&session), None::<&()>)?;
        }
        end_sessions(&tx, id, except, EndReason::SignedOut).await?;
        let reply = tx.reply(Reply::no_content()).await?;
        self.tell_ended().await;
        Ok(reply)
    }
}
