-- psql 15 takes \bind for a mistake even where \if skips it; hence a file of its own.
SELECT $1::int + $2::int AS sum \bind 20 22 \g
