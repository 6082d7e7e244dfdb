// Sequelize on node-postgres: start-up, introspection, models. Run by `run`; the contract is in README.md.
'use strict';

const { DataTypes, Op, QueryTypes, Sequelize, UniqueConstraintError } = require('sequelize');
const { settings } = require('./dsn');
const { step, show, expect } = require('./transcript');

const KEYS = Array.from({ length: 10 }, (_, n) => 1700 + n);

function open() {
  const { ssl, database, user, password, ...rest } = settings();
  return new Sequelize(database, user, password, {
    ...rest,
    dialect: 'postgres',
    logging: false,
    dialectOptions: ssl ? { ssl } : {},
    pool: { max: 2 },
  });
}

function define(db) {
  const options = { timestamps: false };
  const Note = db.define('Note', {
    id: { type: DataTypes.INTEGER, primaryKey: true },
    body: DataTypes.TEXT,
    n: DataTypes.INTEGER,
  }, { ...options, tableName: 'notes' });
  const Customer = db.define('Customer', {
    id: { type: DataTypes.BIGINT, primaryKey: true },
    name: DataTypes.TEXT,
    city: DataTypes.TEXT,
  }, { ...options, tableName: 'customers' });
  const Reservation = db.define('Reservation', {
    id: { type: DataTypes.BIGINT, primaryKey: true },
    starts_on: DataTypes.DATEONLY,
    total: DataTypes.DECIMAL(10, 2),
    status: DataTypes.TEXT,
  }, { ...options, tableName: 'reservations' });
  Reservation.belongsTo(Customer, { foreignKey: 'customer_id' });
  Customer.hasMany(Reservation, { foreignKey: 'customer_id' });
  return { Note, Customer, Reservation };
}

const clean = async (Note) => {
  for (const key of KEYS) await Note.destroy({ where: { id: key } });
};

// The names of NOT NULL constraints hold object ids.
const constraints = (found) => found
  .filter((constraint) => !constraint.constraintName.endsWith('_not_null'))
  .map((constraint) => [constraint.constraintName, constraint.constraintType])
  .sort();

async function introspection(db) {
  step('start-up and introspection');
  await db.authenticate();
  show('version', await db.databaseVersion());
  const look = db.getQueryInterface();
  const tables = (await look.showAllTables()).sort();
  show('tables', tables);
  for (const table of tables) {
    show(`${table} columns`, await look.describeTable(table));
    show(`${table} indexes`, (await look.showIndex(table)).map((index) => [index.name, index.unique, index.fields.map((field) => field.attribute)]).sort());
    show(`${table} constraints`, constraints(await look.showConstraint(table)));
  }
  show('foreign keys', (await look.getForeignKeyReferencesForTable('reservations')).map((key) => [key.columnName, key.referencedTableName]).sort());
}

async function reads({ Customer, Reservation }, db) {
  step('queries');
  show('by key', await Customer.findByPk(12));
  show('some', await Customer.findAll({ where: { city: { [Op.in]: ['Oslo'] }, name: { [Op.iLike]: "%o'neill%" } }, order: ['id'], limit: 3 }));
  show('count', await Customer.count({ where: { city: 'Porto' } }));
  show('joined', await Reservation.findAll({ include: Customer, where: { id: { [Op.lt]: 4 } }, order: ['id'] }));
  show('has many', await Customer.findOne({ where: { id: 20 }, include: { model: Reservation, separate: true, order: ['id'] } }));
  show('grouped', await Reservation.findAll({ attributes: ['status', [db.fn('count', db.col('id')), 'n'], [db.fn('sum', db.col('total')), 'total']], group: ['status'], order: ['status'], raw: true }));
  show('page', await Customer.findAndCountAll({ offset: 100, limit: 2, order: ['id'] }));
  show('raw', await db.query('SELECT code, seats FROM vehicle_classes WHERE seats > :seats ORDER BY code', { replacements: { seats: 4 }, type: QueryTypes.SELECT }));
  show('bound', await db.query('SELECT $1::int + $2::int AS sum', { bind: [20, 22], type: QueryTypes.SELECT }));
}

async function writes({ Note }, db) {
  step('writing notes');
  const note = await Note.create({ id: 1700, body: 'one', n: 1 });
  await note.update({ body: "it's changed" });
  await note.increment('n', { by: 5 });
  show('reloaded', await note.reload());
  show('bulk', (await Note.bulkCreate([{ id: 1701, body: 'two' }, { id: 1702, n: 2 }])).length);
  show('upsert', (await Note.upsert({ id: 1701, body: 'three', n: 3 }))[0]);
  show('updated', await Note.update({ n: 9 }, { where: { id: 1702 } }));
  await expect(() => Note.create({ id: 1700 }), (error) => `${error instanceof UniqueConstraintError} ${error.parent.code} ${error.parent.message}`);
  await expect(() => db.query('SELECT 1 / 0'), (error) => `${error.parent.code} ${error.parent.message}`);

  step('transactions');
  await db.transaction(async (transaction) => {
    await Note.update({ body: 'committed' }, { where: { id: 1700 }, transaction });
  });
  await expect(() => db.transaction(async (transaction) => {
    await Note.destroy({ where: { id: 1700 }, transaction });
    throw new Error('roll back');
  }), (error) => error.message);
  await db.transaction({ isolationLevel: 'SERIALIZABLE' }, async (transaction) => {
    show('locked', await Note.findByPk(1700, { transaction, lock: transaction.LOCK.UPDATE }));
  });
  show('all', await Note.findAll({ where: { id: KEYS }, order: ['id'] }));
}

async function main() {
  const db = open();
  const models = define(db);
  await introspection(db);
  await clean(models.Note);
  await reads(models, db);
  await writes(models, db);
  await clean(models.Note);
  await db.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
