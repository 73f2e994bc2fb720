//! The built-in file server: folders lent as capabilities, spoken to over the Model Context Protocol.
