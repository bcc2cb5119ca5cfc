-- sudo -u pressel-tool sqlite3 /var/lib/pressel-tool/parts.db < parts.sql
CREATE TABLE parts (number TEXT PRIMARY KEY, name TEXT NOT NULL, shelf TEXT NOT NULL, stock INTEGER NOT NULL);
INSERT INTO parts VALUES ('4711-08', 'Shaft seal 8 mm', 'A3', 12);
INSERT INTO parts VALUES ('4711-10', 'Shaft seal 10 mm', 'A3', 0);
INSERT INTO parts VALUES ('2200-01', 'Pressure valve', 'B1', 3);
