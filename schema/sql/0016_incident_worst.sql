-- A closed incident has the share of its worst look: that of its last says how the look faded.
UPDATE help_row SET text = 'share of that entry''s requests that failed or were slow when it was looked at last and bad; of a closed one, when it was worst'
  WHERE view_name = 'incident' AND column_name = 'failed_share';
