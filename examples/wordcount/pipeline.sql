-- Word count, as a pipeline in one SQL file: which words does the Apache licence use?

CREATE PIPELINE wordcount;

CREATE SOURCE lines (line string) FROM files('../../LICENSE', format => 'text');

CREATE VIEW words AS
SELECT w.word
FROM lines, UNNEST(regexp_split(lower(line), '[^a-z]+')) AS w(word)
WHERE w.word <> '';  -- a line that begins with a space gives an empty first word

CREATE TABLE counts INTO files('out/counts.csv') AS
SELECT word, count(*) AS n
FROM words
GROUP BY word
ORDER BY n DESC, word;
