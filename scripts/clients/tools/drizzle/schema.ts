// What an agent pushes over production: one table, and nothing of all that is there.
import { integer, pgTable, text } from 'drizzle-orm/pg-core';

export const notes = pgTable('notes', {
  id: integer('id').primaryKey(),
  body: text('body'),
  n: integer('n'),
});
