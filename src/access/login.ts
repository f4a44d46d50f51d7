import { randomBytes } from 'node:crypto'
import { accept, base32, refuse, sha256 } from '#kernel/index.ts'
import type { Outcome } from '#kernel/index.ts'
import { appendAudit, change, maybe, read, statement } from '#platform/index.ts'
import type { Caller, Database, Transaction } from '#platform/index.ts'
import { scopesOfRole } from './role.ts'
import type { Role } from './role.ts'

const TOKEN = /^[a-z2-7]{52}$/
const LOGIN_MINUTES = 15
/** How long a session lasts, in seconds: 12 hours, without renewal. */
export const SESSION_S = 12 * 60 * 60

const insertLogin = statement({
  name: 'access.insert_login',
  params: { merchant: 'text', hash: 'bytea', actor: 'text', role: 'text', minutes: 'int4' },
  text: `
    insert into access.login (merchant_id, token_sha256, actor, role, expires_at)
    values ($merchant, $hash, $actor, $role, now() + make_interval(mins => $minutes))`,
})

// The statement that spends it is the guard: of two that come with one token, one gets a session.
const spend = statement({
  name: 'access.spend_login',
  params: { merchant: 'text', hash: 'bytea' },
  row: { actor: 'text', role: 'text' },
  text: `
    update access.login set used_at = now()
     where merchant_id = $merchant and token_sha256 = $hash
       and used_at is null and expires_at > now()
    returning actor, role`,
})

const insertSession = statement({
  name: 'access.insert_session',
  params: { merchant: 'text', hash: 'bytea', actor: 'text', role: 'text', seconds: 'int4' },
  text: `
    insert into access.session (merchant_id, token_sha256, actor, role, expires_at)
    values ($merchant, $hash, $actor, $role, now() + make_interval(secs => $seconds))`,
})

const dropExpired = statement({
  name: 'access.drop_expired_sessions',
  params: { merchant: 'text' },
  text: `delete from access.session where merchant_id = $merchant and expires_at <= now()`,
})

const findSession = statement({
  name: 'access.find_session',
  params: { merchant: 'text', hash: 'bytea' },
  row: { actor: 'text', role: 'text' },
  text: `
    select actor, role from access.session
     where merchant_id = $merchant and token_sha256 = $hash and expires_at > now()`,
})

const dropSession = statement({
  name: 'access.drop_session',
  params: { merchant: 'text', hash: 'bytea' },
  row: { actor: 'text' },
  text: `
    delete from access.session where merchant_id = $merchant and token_sha256 = $hash
    returning actor`,
})

/**
 * Makes a one-time login, good for 15 minutes. The answer is a path for the person's browser:
 * opening it shows a button, and only pressing that spends the token, so a link preview cannot.
 */
export async function createLogin(
  tx: Transaction,
  merchant: string,
  who: { readonly actor: string; readonly role: Role },
): Promise<{ readonly path: string }> {
  const token = base32(randomBytes(32))
  const { actor, role } = who
  await change(tx, insertLogin, {
    merchant,
    hash: sha256(token),
    actor,
    role,
    minutes: LOGIN_MINUTES,
  })
  await appendAudit(tx, merchant, {
    actor,
    action: 'access.login_created',
    subjectId: actor,
    after: { role },
  })
  return { path: `/console/login?token=${token}` }
}

/** Spends a login and opens a session of 12 hours; `login_expired` where it is used, old or unknown. */
export async function spendLogin(
  tx: Transaction,
  merchant: string,
  token: string,
): Promise<Outcome<{ readonly session: string; readonly actor: string }>> {
  const hash = sha256(token)
  const login = TOKEN.test(token) ? await maybe(tx, spend, { merchant, hash }) : undefined
  if (!login) return refuse('login_expired', 'This login was used or is too old. Make another.')
  const session = base32(randomBytes(32))
  const { actor, role } = login
  await change(tx, dropExpired, { merchant })
  await change(tx, insertSession, {
    merchant,
    hash: sha256(session),
    actor,
    role,
    seconds: SESSION_S,
  })
  await appendAudit(tx, merchant, { actor, action: 'access.login_spent', subjectId: actor })
  return accept({ session, actor })
}

/** The caller behind a session token, or undefined where it is unknown, ended or too old. */
export async function verifySession(
  database: Database,
  merchant: string,
  session: string,
): Promise<Caller | undefined> {
  if (!TOKEN.test(session)) return undefined
  const [row] = await read(database, findSession, { merchant, hash: sha256(session) })
  return row ? { actor: row.actor, scopes: scopesOfRole(row.role) } : undefined
}

/** Ends a session; ending one that is not there is no error. */
export async function endSession(
  tx: Transaction,
  merchant: string,
  session: string,
): Promise<void> {
  const row = await maybe(tx, dropSession, { merchant, hash: sha256(session) })
  if (!row) return
  const { actor } = row
  await appendAudit(tx, merchant, { actor, action: 'access.session_ended', subjectId: actor })
}
