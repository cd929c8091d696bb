-- Written by `make docs` from migrations.py.
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE TABLE "windows" (
   "kind" TEXT,
   "start" INTEGER,
   "until" INTEGER,
   "utc" TEXT,
   "queries" INTEGER,
   "addresses" INTEGER,
   "sum_qq" INTEGER,
   "late" INTEGER,
   "covered_seconds" REAL,
   "closed" INTEGER,
   PRIMARY KEY ("kind", "start")
);
CREATE TABLE "window_topics" (
   "kind" TEXT,
   "start" INTEGER,
   "topic" TEXT,
   "queries" INTEGER,
   "addresses_1" INTEGER,
   "addresses_2" INTEGER,
   "addresses_3" INTEGER,
   "sum_qk" INTEGER,
   "sum_kk" INTEGER,
   "exclusive_queries" INTEGER,
   "top_1" INTEGER,
   "top_10" INTEGER,
   PRIMARY KEY ("kind", "start", "topic")
);
CREATE TABLE "window_categories" (
   "kind" TEXT,
   "start" INTEGER,
   "topic" TEXT,
   "category" TEXT,
   "queries" INTEGER,
   PRIMARY KEY ("kind", "start", "topic", "category")
);
CREATE TABLE "window_countries" (
   "kind" TEXT,
   "start" INTEGER,
   "country" TEXT,
   "queries" INTEGER,
   "addresses" INTEGER,
   PRIMARY KEY ("kind", "start", "country")
);
CREATE TABLE "window_country_topics" (
   "kind" TEXT,
   "start" INTEGER,
   "country" TEXT,
   "topic" TEXT,
   "queries" INTEGER,
   "addresses" INTEGER,
   PRIMARY KEY ("kind", "start", "country", "topic")
);
CREATE TABLE "counters" (
   "name" TEXT,
   "subject" TEXT,
   "detail" TEXT,
   "value" INTEGER,
   PRIMARY KEY ("name", "subject", "detail")
);
CREATE TABLE "sources" (
   "name" TEXT PRIMARY KEY,
   "newest" INTEGER,
   "candidate" INTEGER,
   "confirmations" INTEGER,
   "covered_until" INTEGER
);
CREATE TABLE "generations" (
   "id" INTEGER PRIMARY KEY,
   "source" TEXT,
   "offset" INTEGER,
   "skipping" INTEGER,
   "head_length" INTEGER,
   "head_hash" BLOB,
   "tail_length" INTEGER,
   "tail_hash" BLOB,
   "size" INTEGER,
   "state" TEXT,
   "changed" INTEGER,
   "key_week" INTEGER,
   "device" INTEGER,
   "inode" INTEGER,
   "was_live" INTEGER,
   "compare_until" INTEGER,
   "turn" INTEGER
);
CREATE TABLE "finished_files" (
   "source" TEXT,
   "device" INTEGER,
   "inode" INTEGER,
   "size" INTEGER,
   "modified" INTEGER,
   "history" INTEGER,
   PRIMARY KEY ("source", "device", "inode")
);
CREATE TABLE "weekly_keys" (
   "week" INTEGER PRIMARY KEY,
   "name" TEXT,
   "key_check" BLOB,
   "destroyed" INTEGER
);
CREATE TABLE "segments" (
   "id" INTEGER PRIMARY KEY,
   "hour" INTEGER,
   "rows" INTEGER,
   "topics" TEXT,
   "pseudonyms" BLOB,
   "countries" BLOB,
   "ticks" BLOB,
   "queries" BLOB,
   "flagged" BLOB,
   "part" INTEGER
);
CREATE TABLE "previous_pseudonyms" (
   "segment" INTEGER PRIMARY KEY,
   "previous" BLOB
);
CREATE TABLE "breaks" (
   "id" INTEGER PRIMARY KEY,
   "time" INTEGER,
   "kind" TEXT,
   "digest" TEXT
);
CREATE TABLE "settings" (
   "name" TEXT PRIMARY KEY,
   "value" TEXT
);
CREATE TABLE "released" (
   "kind" TEXT,
   "start" INTEGER,
   "topic" TEXT,
   "country" TEXT,
   "figures" TEXT,
   "released_at" INTEGER,
   PRIMARY KEY ("kind", "start", "topic", "country")
);
CREATE TABLE "covered_times" (
   "source" TEXT,
   "start" INTEGER,
   "until" INTEGER,
   "share" REAL,
   PRIMARY KEY ("source", "start")
);
CREATE TABLE "fleet_outbox" (
   "hour" INTEGER PRIMARY KEY,
   "version" INTEGER,
   "shipped" INTEGER
);
CREATE TABLE "fleet_windows" (
   "kind" TEXT,
   "start" INTEGER,
   "servers" TEXT,
   "outside" TEXT,
   "outside_queries" INTEGER,
   "shared_addresses" INTEGER,
   PRIMARY KEY ("kind", "start")
);
CREATE TABLE "splices" (
   "time" INTEGER,
   "topic" TEXT,
   "since" INTEGER,
   "factor" REAL,
   "lower" REAL,
   "upper" REAL,
   "old_queries" INTEGER,
   "new_queries" INTEGER,
   "addresses" INTEGER,
   PRIMARY KEY ("time", "topic")
);
CREATE VIEW "hours" AS select * from windows where kind = 'hour' order by start;
CREATE VIEW "weeks" AS select * from windows where kind = 'week' order by start;
CREATE INDEX "idx_segments_hour_part"
    ON "segments" ("hour", "part");
CREATE TRIGGER released_no_update before update on released begin select raise(abort, 'what was released is never changed'); end;
CREATE TRIGGER released_no_delete before delete on released begin select raise(abort, 'what was released is never changed'); end;
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0001_tables', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0002_parts', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0003_places', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0004_alone_and_top', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0005_ticks', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0006_names', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0007_released', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0008_covered_times', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0009_fleet', strftime('%Y-%m-%d %H:%M:%f', 'now'));
insert into _sqlite_migrations (migration_set, name, applied_at) values ('donkeywatch', '0010_splices', strftime('%Y-%m-%d %H:%M:%f', 'now'));
