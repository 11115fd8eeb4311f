'use strict';
// PostgreSQL (PGHOST, PGUSER, PGDATABASE): one pool, every statement named (server-side prepared), timestamps read as UTC ISO strings.
const fs = require('node:fs');
const path = require('node:path');
const pg = require('pg');

pg.types.setTypeParser(1114, (s) => s.slice(0, 10) + 'T' + s.slice(11, 19) + 'Z');

const pool = new pg.Pool({
  max: Number(process.env.PG_POOL || 16),
  idleTimeoutMillis: 60_000,
});

const text = fs.readFileSync(path.join(__dirname, 'queries.sql'), 'utf8');
const queries = {};
for (const part of text.split(/^-- name: /m).slice(1)) {
  const nl = part.indexOf('\n');
  queries[part.slice(0, nl).trim()] = part.slice(nl + 1).trim();
}

const q = (name, values, on = pool) => on.query({ name, text: queries[name], values });

async function transaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (err) {
    await client.query('ROLLBACK').catch(() => {});
    throw err;
  } finally {
    client.release();
  }
}

module.exports = { pool, q, transaction };
