"""Another model beside the serving one: its embeddings written, compared and swapped in."""
