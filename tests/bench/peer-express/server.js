'use strict';
// Express 5 + Socket.IO 4 peer for the benchmark. Environment: PORT REDIS_URL JWT_SECRET, and libpq's
// SQL_MODE=tx (BEGIN..COMMIT, default) | one (the single-statement forms)   RATE_LIMIT=0 turns limiting off
// LOG_LEVEL=info logs one JSON line per request (default warn)   ROOM_AUTH=off skips the room membership query
const crypto = require('node:crypto');
const http = require('node:http');
const express = require('express');
const helmet = require('helmet');
const cors = require('cors');
const Joi = require('joi');
const jwt = require('jsonwebtoken');
const Redis = require('ioredis');
const winston = require('winston');
const { rateLimit } = require('express-rate-limit');
const { pool, q, transaction } = require('./db');

const log = winston.createLogger({
  level: process.env.LOG_LEVEL || 'warn',
  format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
  transports: [new winston.transports.Console()],
});
const redis = new (Redis.default || Redis)(process.env.REDIS_URL, { enableAutoPipelining: true });
const secret = crypto.createSecretKey(Buffer.from(process.env.JWT_SECRET)); // one KeyObject: faster verify
const ONE = process.env.SQL_MODE === 'one';

class HttpError extends Error {
  constructor(status, code, message, details) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}
const ok = (res, data, message, status = 200) => res.status(status).json({ success: true, data, message });

async function authenticate(token) {
  let claims;
  try {
    claims = jwt.verify(token, secret, { algorithms: ['HS256'] });
  } catch {
    throw new HttpError(401, 'UNAUTHORIZED', 'Invalid or expired token');
  }
  if ((await redis.get('session:' + claims.jti)) !== claims.sub) {
    throw new HttpError(401, 'SESSION_REVOKED', 'Session is no longer active');
  }
  return claims;
}

const auth = async (req, res, next) => {
  const header = req.headers.authorization;
  if (!header || !header.startsWith('Bearer ')) throw new HttpError(401, 'UNAUTHORIZED', 'Missing bearer token');
  req.userId = (await authenticate(header.slice(7))).sub;
  next();
};

const validate = (schema, from = 'body') => (req, res, next) => {
  const { value, error } = schema.validate(req[from], { abortEarly: false, stripUnknown: true });
  if (error) {
    throw new HttpError(400, 'VALIDATION_ERROR', 'Validation failed',
      error.details.map((d) => ({ field: d.path.join('.'), message: d.message })));
  }
  req.valid = value;
  next();
};

const uuid = Joi.string().guid();
const schemas = {
  spend: Joi.object({
    amount: Joi.number().integer().min(1).max(100000).required(),
    action: Joi.string().max(20).required(),
    referenceId: uuid.allow(null).default(null),
  }),
  call: Joi.object({ receiverId: uuid.required(), callType: Joi.string().valid('audio', 'video').required() }),
};

const app = express();
app.set('etag', false);
app.set('query parser', 'simple');
app.use(helmet());
app.use(cors({ origin: process.env.CORS_ORIGIN || '*' }));
app.use(express.json({ limit: '64kb' }));
app.use((req, res, next) => {
  if (!log.isInfoEnabled()) return next();
  const start = process.hrtime.bigint();
  res.on('finish', () => log.info('request', {
    method: req.method, path: req.path, status: res.statusCode, userId: req.userId,
    ms: Number(process.hrtime.bigint() - start) / 1e6,
  }));
  next();
});
if (process.env.RATE_LIMIT !== '0') {
  app.use('/api', rateLimit({ windowMs: 60_000, limit: Number(process.env.RATE_LIMIT || 600), standardHeaders: true, legacyHeaders: false }));
}

app.get('/health', (req, res) => res.json({ success: true, data: { status: 'ok' }, message: 'Healthy' }));

const api = express.Router();
api.use(auth);

api.get('/auth/profile', async (req, res) => {
  const { rows: [u] } = await q('profile', [req.userId]);
  if (!u) throw new HttpError(404, 'NOT_FOUND', 'User not found');
  ok(res, {
    id: u.id, phoneNumber: u.phone_number, fullName: u.full_name, age: u.age, gender: u.gender, bio: u.bio,
    location: u.location, profileImageUrl: u.profile_image_url, isVerified: u.is_verified,
    isSuperLover: u.is_super_lover, coins: u.coins_balance, lastSeen: u.last_seen, isOnline: u.is_online,
    createdAt: u.created_at,
  }, 'Profile retrieved successfully');
});

api.get('/coins/balance', async (req, res) => {
  const { rows: [b] } = await q('balance', [req.userId]);
  if (!b) throw new HttpError(404, 'NOT_FOUND', 'User not found');
  ok(res, { balance: b.coins_balance, totalEarned: b.earned, totalSpent: b.spent }, 'Balance retrieved successfully');
});

const poor = () => new HttpError(402, 'INSUFFICIENT_COINS', 'Insufficient coins');
const charge = async (client, userId, amount) => {
  const { rows } = await q('charge', [userId, amount], client);
  if (!rows.length) throw poor();
  return rows[0].coins_balance;
};

api.post('/coins/spend', validate(schemas.spend), async (req, res) => {
  const { amount, action, referenceId } = req.valid;
  let balance;
  if (ONE) {
    const { rows } = await q('spend_one', [req.userId, amount, 'Spent on ' + action, referenceId, action]);
    if (!rows.length) throw poor();
    balance = rows[0].coins_balance;
  } else {
    balance = await transaction(async (client) => {
      const left = await charge(client, req.userId, amount);
      await q('ledger', [req.userId, amount, 'Spent on ' + action, referenceId, action], client);
      return left;
    });
  }
  ok(res, { coinsSpent: amount, newBalance: balance }, 'Coins spent successfully');
});

let io;

api.post('/calls/initiate', validate(schemas.call), async (req, res) => {
  const { receiverId, callType } = req.valid;
  const roomId = 'room_' + crypto.randomUUID();
  let callId, balance;
  if (ONE) {
    const { rows: [r] } = await q('call_one', [req.userId, receiverId, callType, roomId]);
    if (!r.receiver) throw new HttpError(404, 'NOT_FOUND', 'Receiver not found');
    if (!r.id) throw poor();
    ({ id: callId, coins_balance: balance } = r);
  } else {
    try {
      await transaction(async (client) => {
        balance = await charge(client, req.userId, 50);
        callId = (await q('call_insert', [req.userId, receiverId, callType, roomId], client)).rows[0].id;
        await q('ledger', [req.userId, 50, 'Call', callId, 'call'], client);
      });
    } catch (err) {
      throw err.code === '23503' ? new HttpError(404, 'NOT_FOUND', 'Receiver not found') : err;
    }
  }
  io.to('user:' + receiverId).emit('incoming-call', { callId, roomId, callerId: req.userId, callType });
  ok(res, { callId, roomId, coinsSpent: 50, newBalance: balance }, 'Call initiated successfully');
});

app.use('/api', api);
app.use((req, res, next) => next(new HttpError(404, 'NOT_FOUND', 'Not found')));
app.use((err, req, res, next) => {
  const status = err.status || 500;
  if (status >= 500) log.error('unhandled', { error: err.message, stack: err.stack });
  res.status(status).json({
    success: false,
    error: { code: err.code || 'ERROR', message: status >= 500 ? 'Internal server error' : err.message, details: err.details },
    message: status >= 500 ? 'Internal server error' : err.message,
  });
});

const server = http.createServer(app);
server.keepAliveTimeout = 65_000;
io = require('./signaling')(server, { authenticate, q, log });
server.listen(Number(process.env.PORT || 22010), '127.0.0.1', 4096, () => console.error('peer-express on', server.address().port));
process.on('SIGTERM', () => { io.close(); server.close(); pool.end().finally(() => process.exit(0)); });
